//! The handshake: two messages of fixed size, so that a stranger cannot make anyone allocate. Pure.
//!
//! The dialer says who it is, whom it wants to reach, in which cluster, and which protocol versions it
//! speaks. The acceptor answers with the version to use, or with the reason why not; the dialer logs that
//! reason, since it is the side whose configuration is most likely to be wrong. Each process run has an
//! `instance`, drawn at random, and numbers its attempts; so an attempt that was overtaken on the way by a
//! later one of the same process can be told apart and cannot displace it. The answer echoes both: an answer
//! to somebody else's hello is not taken for ours.
//!
//! Both messages end in a CRC-32. It finds accidents; identity is proven by TLS or not at all.

const MAGIC_HELLO: [u8; 8] = *b"synod-he";
const MAGIC_ANSWER: [u8; 8] = *b"synod-an";
/// Size of an encoded [`Hello`].
pub const HELLO_BYTES: usize = 8 + 2 * 2 + 6 * 8 + 4;
/// Size of an encoded [`Answer`].
pub const ANSWER_BYTES: usize = 8 + 4 * 2 + 4 * 8 + 4;

/// A range of protocol versions, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions {
    /// The oldest that is spoken.
    pub min: u16,
    /// The newest that is spoken.
    pub max: u16,
}

impl Versions {
    /// What this build speaks.
    pub const SPOKEN: Versions = Versions { min: 1, max: 1 };

    /// The newest version that both speak.
    pub fn common(self, other: Versions) -> Option<u16> {
        let newest = self.max.min(other.max);
        (newest >= self.min.max(other.min)).then_some(newest)
    }
}

/// What the dialer says first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hello {
    /// The versions that the dialer speaks.
    pub versions: Versions,
    /// The cluster it belongs to.
    pub cluster: u64,
    /// Its member id.
    pub from: u64,
    /// The member that it means to reach.
    pub to: u64,
    /// The directory that the dialer lives from; see [`crate::Homes`].
    pub home: u64,
    /// The run of the dialer's process.
    pub instance: u64,
    /// Grows with each attempt of that run.
    pub attempt: u64,
}

/// What the acceptor says to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The versions that the acceptor speaks.
    pub versions: Versions,
    /// The acceptor's member id.
    pub from: u64,
    /// The run of the acceptor's process.
    pub instance: u64,
    /// The hello's `instance`.
    pub hello_instance: u64,
    /// The hello's `attempt`.
    pub hello_attempt: u64,
    /// The version to use from here on, or why there is no here on.
    pub verdict: Result<u16, Refusal>,
}

/// Why a hello was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[repr(u16)]
pub enum Refusal {
    /// The acceptor belongs to another cluster.
    #[error("it belongs to another cluster (were both started with the same initial cluster and token?)")]
    WrongCluster = 1,
    /// The acceptor is another member than the dialer wanted.
    #[error("another member answers at this address (is its peer URL right?)")]
    WrongMember = 2,
    /// The acceptor does not know the dialer as a member.
    #[error("it does not know this member (was it removed, or not yet added?)")]
    UnknownMember = 3,
    /// No common protocol version.
    #[error("it speaks no common protocol version")]
    UnsupportedVersion = 4,
    /// A later attempt of the same process was admitted already.
    #[error("a later connection of this process was admitted already")]
    Overtaken = 5,
    /// The dialer lives from another directory than the member that the acceptor knows under this id.
    #[error(
        "it knows this member with another data directory, whose votes and entries this one does not have"
    )]
    OtherHome = 6,
}

/// Why bytes are not a handshake message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HelloError {
    /// Not one of ours.
    #[error("the other end does not speak this protocol (wrong magic bytes)")]
    Magic,
    /// Damaged on the way.
    #[error("handshake message with a wrong checksum")]
    Checksum,
    /// A range of versions whose end is before its begin.
    #[error("handshake message with an empty range of versions")]
    Versions,
    /// A verdict that this build does not know.
    #[error("handshake answer with unknown verdict {0}")]
    Verdict(u16),
}

impl Hello {
    /// As it goes on the wire.
    pub fn encode(&self) -> [u8; HELLO_BYTES] {
        let mut writer = Writer::<HELLO_BYTES>::new(MAGIC_HELLO);
        writer.put_u16s([self.versions.min, self.versions.max]);
        writer.put_u64s([self.cluster, self.from, self.to, self.home, self.instance, self.attempt]);
        writer.finish()
    }

    /// Reads what [`Hello::encode`] wrote.
    ///
    /// # Errors
    /// [`HelloError`].
    pub fn decode(bytes: &[u8; HELLO_BYTES]) -> Result<Hello, HelloError> {
        let mut reader = Reader::open(bytes, MAGIC_HELLO)?;
        let versions = reader.versions()?;
        let [cluster, from, to, home, instance, attempt] = std::array::from_fn(|_| reader.u64());
        Ok(Hello { versions, cluster, from, to, home, instance, attempt })
    }

    /// Whether the first bytes of a stream can be those of a hello.
    pub(crate) fn starts_with_magic(bytes: &[u8; 8]) -> bool {
        *bytes == MAGIC_HELLO
    }
}

impl Answer {
    /// As it goes on the wire.
    pub fn encode(&self) -> [u8; ANSWER_BYTES] {
        let (version, refusal) = match self.verdict {
            Ok(version) => (version, 0),
            Err(refusal) => (0, refusal as u16),
        };
        let mut writer = Writer::<ANSWER_BYTES>::new(MAGIC_ANSWER);
        writer.put_u16s([self.versions.min, self.versions.max, version, refusal]);
        writer.put_u64s([self.from, self.instance, self.hello_instance, self.hello_attempt]);
        writer.finish()
    }

    /// Reads what [`Answer::encode`] wrote.
    ///
    /// # Errors
    /// [`HelloError`].
    pub fn decode(bytes: &[u8; ANSWER_BYTES]) -> Result<Answer, HelloError> {
        let mut reader = Reader::open(bytes, MAGIC_ANSWER)?;
        let versions = reader.versions()?;
        let [version, refusal] = std::array::from_fn(|_| reader.u16());
        let [from, instance, hello_instance, hello_attempt] = std::array::from_fn(|_| reader.u64());
        let verdict = match refusal {
            0 => Ok(version),
            1 => Err(Refusal::WrongCluster),
            2 => Err(Refusal::WrongMember),
            3 => Err(Refusal::UnknownMember),
            4 => Err(Refusal::UnsupportedVersion),
            5 => Err(Refusal::Overtaken),
            6 => Err(Refusal::OtherHome),
            unknown => return Err(HelloError::Verdict(unknown)),
        };
        Ok(Answer { versions, from, instance, hello_instance, hello_attempt, verdict })
    }
}

/// Entry point for a fuzzer: `input` is read as a hello and as an answer; what can be read is written back
/// alike.
///
/// # Panics
/// When it is not.
pub fn fuzz_hello(input: &[u8]) {
    if let Some(bytes) = input.first_chunk::<HELLO_BYTES>()
        && let Ok(hello) = Hello::decode(bytes)
    {
        assert_eq!(&hello.encode(), bytes, "expected a decoded hello to encode to the same bytes");
    }
    if let Some(bytes) = input.first_chunk::<ANSWER_BYTES>()
        && let Ok(answer) = Answer::decode(bytes)
    {
        assert_eq!(
            Answer::decode(&answer.encode()),
            Ok(answer),
            "expected an answer to survive a round trip"
        );
    }
}

struct Writer<const SIZE: usize> {
    bytes: [u8; SIZE],
    at: usize,
}

impl<const SIZE: usize> Writer<SIZE> {
    fn new(magic: [u8; 8]) -> Self {
        let mut writer = Writer { bytes: [0; SIZE], at: 0 };
        writer.put(&magic);
        writer
    }

    fn put(&mut self, bytes: &[u8]) {
        self.bytes[self.at..self.at + bytes.len()].copy_from_slice(bytes);
        self.at += bytes.len();
    }

    fn put_u16s<const COUNT: usize>(&mut self, values: [u16; COUNT]) {
        values.iter().for_each(|value| self.put(&value.to_le_bytes()));
    }

    fn put_u64s<const COUNT: usize>(&mut self, values: [u64; COUNT]) {
        values.iter().for_each(|value| self.put(&value.to_le_bytes()));
    }

    fn finish(mut self) -> [u8; SIZE] {
        let checksum = crc32fast::hash(&self.bytes[..self.at]);
        self.put(&checksum.to_le_bytes());
        assert_eq!(self.at, SIZE, "expected a handshake message of {SIZE} bytes, found {}", self.at);
        self.bytes
    }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Checks magic and checksum; what is left are the fields, whose number is known to the caller.
    fn open(bytes: &'a [u8], magic: [u8; 8]) -> Result<Self, HelloError> {
        let fields = bytes.strip_prefix(&magic).ok_or(HelloError::Magic)?;
        let (fields, checksum) = fields.split_last_chunk::<4>().ok_or(HelloError::Checksum)?;
        if crc32fast::hash(&bytes[..bytes.len() - 4]) != u32::from_le_bytes(*checksum) {
            return Err(HelloError::Checksum);
        }
        Ok(Reader { rest: fields })
    }

    fn take<const SIZE: usize>(&mut self) -> [u8; SIZE] {
        let (field, rest) =
            self.rest.split_first_chunk::<SIZE>().expect("the array type holds all of the fields");
        self.rest = rest;
        *field
    }

    fn u16(&mut self) -> u16 {
        u16::from_le_bytes(self.take())
    }

    fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.take())
    }

    fn versions(&mut self) -> Result<Versions, HelloError> {
        let versions = Versions { min: self.u16(), max: self.u16() };
        if versions.min <= versions.max { Ok(versions) } else { Err(HelloError::Versions) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_versions() -> impl Strategy<Value = Versions> {
        any::<(u16, u16)>().prop_map(|(a, b)| Versions { min: a.min(b), max: a.max(b) })
    }

    fn any_hello() -> impl Strategy<Value = Hello> {
        (any_versions(), any::<[u64; 6]>()).prop_map(
            |(versions, [cluster, from, to, home, instance, attempt])| Hello {
                versions,
                cluster,
                from,
                to,
                home,
                instance,
                attempt,
            },
        )
    }

    fn any_answer() -> impl Strategy<Value = Answer> {
        use Refusal::{OtherHome, Overtaken, UnknownMember, UnsupportedVersion, WrongCluster, WrongMember};
        let refusals =
            vec![WrongCluster, WrongMember, UnknownMember, UnsupportedVersion, Overtaken, OtherHome];
        let verdict = prop_oneof![any::<u16>().prop_map(Ok), prop::sample::select(refusals).prop_map(Err)];
        (any_versions(), any::<[u64; 4]>(), verdict).prop_map(
            |(versions, [from, instance, i, a], verdict)| Answer {
                versions,
                from,
                instance,
                hello_instance: i,
                hello_attempt: a,
                verdict,
            },
        )
    }

    proptest! {
        #[test]
        fn messages_survive_a_round_trip(hello in any_hello(), answer in any_answer()) {
            prop_assert_eq!(Hello::decode(&hello.encode()), Ok(hello));
            prop_assert_eq!(Answer::decode(&answer.encode()), Ok(answer));
        }

        #[test]
        fn a_flipped_bit_is_found(hello in any_hello(), answer in any_answer(), bit in 0..HELLO_BYTES * 8) {
            let mut bytes = hello.encode();
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(Hello::decode(&bytes).is_err());
            let mut bytes = answer.encode();
            let bit = bit % (ANSWER_BYTES * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(Answer::decode(&bytes).is_err());
        }

        #[test]
        fn any_bytes_are_decoded_without_panic(input in prop::collection::vec(any::<u8>(), 0..100)) {
            fuzz_hello(&input);
        }
    }

    #[test]
    fn the_newest_common_version_is_chosen() {
        let versions = |min, max| Versions { min, max };
        assert_eq!(versions(1, 3).common(versions(2, 5)), Some(3));
        assert_eq!(versions(2, 5).common(versions(1, 3)), Some(3));
        assert_eq!(versions(1, 1).common(versions(2, 3)), None);
    }
}
