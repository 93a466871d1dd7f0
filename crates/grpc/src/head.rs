//! Heads of requests and answers: what gRPC needs of them, and nothing else.

use bytes::Bytes;

use crate::hpack::{FIELD_OVERHEAD_BYTES, Text};
use crate::status::End;

/// Fields that every client of gRPC sends and that change nothing here.
const IGNORED: &[&[u8]] = &[
    b"te",
    b"user-agent",
    b"content-length",
    b"grpc-accept-encoding",
    b"accept-encoding",
    b"grpc-timeout",
    b"date",
    b"server",
];
/// Fields that belong to one hop and are malformed in HTTP/2 (RFC 9113, section 8.2.2).
const OF_ONE_HOP: &[&[u8]] =
    &[b"connection", b"proxy-connection", b"keep-alive", b"transfer-encoding", b"upgrade"];

/// A request's head.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// `POST` for every call.
    pub method: Bytes,
    /// `/package.Service/Method` for a call.
    pub path: Bytes,
    /// Whether it is a call of gRPC.
    pub is_grpc: bool,
    /// Other fields, without those that change nothing.
    pub fields: Vec<(Bytes, Bytes)>,
}

impl Request {
    /// The value of a field.
    pub fn field(&self, name: &str) -> Option<&[u8]> {
        self.fields.iter().find(|(found, _)| found == name.as_bytes()).map(|(_, value)| &value[..])
    }
}

/// An answer's head, or its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// HTTP's status; 0 in an end.
    pub status: u16,
    /// Whether it is an answer of gRPC.
    pub is_grpc: bool,
    /// The call's end, if it is told here.
    pub end: Option<End>,
}

/// Why a head is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadError {
    /// It breaks a rule of RFC 9113, section 8: its stream ends.
    Malformed,
    /// It is larger than allowed.
    TooLarge,
}

/// A list of fields as they come.
#[derive(Debug)]
pub struct Fields {
    list_bytes: usize,
    list_bytes_max: usize,
    is_malformed: bool,
    has_scheme: bool,
    has_regular: bool,
    is_trailer: bool,
    request: Request,
    response: Response,
    grpc_status: Option<u32>,
    grpc_message: Bytes,
}

impl Fields {
    /// Of a head, or of the end of a stream, where nothing may begin with a colon.
    pub fn new(list_bytes_max: usize, is_trailer: bool) -> Self {
        Fields {
            list_bytes: 0,
            list_bytes_max,
            is_malformed: false,
            has_scheme: false,
            has_regular: false,
            is_trailer,
            request: Request::default(),
            response: Response::default(),
            grpc_status: None,
            grpc_message: Bytes::new(),
        }
    }

    /// Takes one.
    pub fn push(&mut self, name: Text<'_>, value: Text<'_>) {
        self.list_bytes += name.bytes().len() + value.bytes().len() + FIELD_OVERHEAD_BYTES;
        if self.list_bytes > self.list_bytes_max {
            return;
        }
        match name.bytes() {
            [b':', ..] => self.pseudo(name.bytes(), value),
            text => {
                self.has_regular = true;
                self.regular(text, name, value);
            }
        }
    }

    /// The head of a request.
    pub fn into_request(self) -> Result<Request, HeadError> {
        let Request { method, path, .. } = &self.request;
        let is_whole = !method.is_empty() && self.has_scheme && path.starts_with(b"/");
        self.verdict(is_whole).map(|fields| fields.request)
    }

    /// The head or the end of an answer.
    pub fn into_response(self) -> Result<Response, HeadError> {
        let is_whole = self.is_trailer || self.response.status != 0;
        self.verdict(is_whole).map(|fields| {
            let message = fields.grpc_message;
            Response { end: fields.grpc_status.map(|code| End { code, message }), ..fields.response }
        })
    }

    fn verdict(self, is_whole: bool) -> Result<Self, HeadError> {
        if self.list_bytes > self.list_bytes_max {
            Err(HeadError::TooLarge)
        } else if self.is_malformed || !is_whole {
            Err(HeadError::Malformed)
        } else {
            Ok(self)
        }
    }

    fn pseudo(&mut self, name: &[u8], value: Text<'_>) {
        let once = |place: &mut Bytes| {
            let is_first = place.is_empty();
            *place = value.to_bytes();
            is_first && !place.is_empty()
        };
        let is_fine = match name {
            b":method" => once(&mut self.request.method),
            b":path" => once(&mut self.request.path),
            b":scheme" => !std::mem::replace(&mut self.has_scheme, true),
            // Some clients put a whole URL there; nothing here depends on it.
            b":authority" => true,
            b":status" => {
                let status = std::str::from_utf8(value.bytes()).ok().and_then(|text| text.parse().ok());
                let is_first = self.response.status == 0;
                self.response.status = status.unwrap_or(0);
                is_first
            }
            _ => false,
        };
        self.is_malformed |= !is_fine || self.has_regular || self.is_trailer;
    }

    fn regular(&mut self, text: &[u8], name: Text<'_>, value: Text<'_>) {
        match text {
            b"content-type" => {
                let is_grpc = value.bytes().starts_with(b"application/grpc");
                self.request.is_grpc = is_grpc;
                self.response.is_grpc = is_grpc;
            }
            b"grpc-status" => {
                // What cannot be read is "unknown".
                let code = std::str::from_utf8(value.bytes()).ok().and_then(|text| text.parse().ok());
                self.grpc_status = Some(code.unwrap_or(2));
            }
            b"grpc-message" => self.grpc_message = value.to_bytes(),
            text if IGNORED.contains(&text) => {}
            text => {
                let is_wrong = text.is_empty()
                    || OF_ONE_HOP.contains(&text)
                    || text.iter().any(|byte| matches!(byte, 0..=b' ' | b'A'..=b'Z' | b':' | 0x7f..));
                self.is_malformed |= is_wrong;
                if !is_wrong {
                    self.request.fields.push((name.to_bytes(), value.to_bytes()));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALL: &[(&str, &str)] = &[
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/a/b"),
        (":authority", "http://x:1"),
        ("content-type", "application/grpc+proto"),
        ("te", "trailers"),
        ("hasleader", "true"),
    ];

    fn fields(list: &[(&str, &str)], list_bytes_max: usize) -> Fields {
        let mut fields = Fields::new(list_bytes_max, false);
        for (name, value) in list {
            fields.push(Text::Plain(name.as_bytes()), Text::Plain(value.as_bytes()));
        }
        fields
    }

    #[test]
    fn a_calls_head_is_what_matters_of_it() {
        let request = fields(CALL, 1_000).into_request().unwrap();
        assert_eq!(
            (&request.method[..], &request.path[..], request.is_grpc),
            (&b"POST"[..], &b"/a/b"[..], true)
        );
        assert_eq!(request.fields.len(), 1);
        assert_eq!(request.field("hasleader"), Some(&b"true"[..]));
        assert_eq!(fields(CALL, 200).into_request(), Err(HeadError::TooLarge));
    }

    #[test]
    fn malformed_heads_are_refused() {
        for left_out in 0..3 {
            let mut list = CALL.to_vec();
            list.remove(left_out);
            assert_eq!(fields(&list, 1_000).into_request(), Err(HeadError::Malformed), "without {left_out}");
        }
        for more in [
            (":path", "/again"),
            (":method", "POST"),
            ("Upper", "case"),
            ("connection", "close"),
            (":new", ""),
        ] {
            let list = [CALL, &[more]].concat();
            assert_eq!(fields(&list, 1_000).into_request(), Err(HeadError::Malformed), "with {more:?}");
        }
    }

    #[test]
    fn an_answers_end_is_read() {
        let list = [(":status", "200"), ("grpc-status", "3"), ("grpc-message", "no%20key")];
        let response = fields(&list, 1_000).into_response().unwrap();
        assert_eq!(response.status, 200);
        let end = response.end.unwrap();
        assert_eq!((end.code, end.text().as_str()), (3, "no key"));
        assert_eq!(fields(&[("grpc-status", "0")], 1_000).into_response(), Err(HeadError::Malformed));
        let odd = fields(&[(":status", "200"), ("grpc-status", "x")], 1_000).into_response().unwrap();
        assert_eq!(odd.end.unwrap().code, 2);
    }
}
