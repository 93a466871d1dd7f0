//! Answers of a watch: events, progress, the end.

use std::io::{self, Write};

use synod_server::proto::etcdserverpb::WatchResponse;
use synod_server::proto::mvccpb::Event;
use synod_server::proto::mvccpb::event::EventType;

use super::json::{self, Object};
use super::keys::{header_object, key_value_json, write_key_value};
use super::{Answer, Style, fields};

/// The name of an event's type.
pub fn event_type(event: &Event) -> &'static str {
    match event.r#type() {
        EventType::Put => "PUT",
        EventType::Delete => "DELETE",
    }
}

/// Whether an answer only says how far the watch has come.
pub fn is_progress(answer: &WatchResponse) -> bool {
    answer.events.is_empty() && !answer.created && !answer.canceled && answer.compact_revision == 0
}

fn event_json(event: &Event) -> String {
    Object::new()
        .number("type", event.r#type)
        .object("kv", event.kv.as_ref().map(key_value_json))
        .object("prev_kv", event.prev_kv.as_ref().map(key_value_json))
        .finish()
}

impl Answer for WatchResponse {
    fn write_simple(&self, out: &mut dyn Write, style: Style) -> io::Result<()> {
        for event in &self.events {
            writeln!(out, "{}", event_type(event))?;
            event.prev_kv.iter().chain(&event.kv).try_for_each(|kv| write_key_value(out, kv, style))?;
        }
        Ok(())
    }

    fn write_fields(&self, out: &mut dyn Write) -> io::Result<()> {
        fields::header(out, self.header.as_ref())?;
        for event in &self.events {
            writeln!(out, "\"Type\" : {}", event_type(event))?;
            event.prev_kv.iter().try_for_each(|kv| fields::key_value(out, "Prev", kv))?;
            event.kv.iter().try_for_each(|kv| fields::key_value(out, "", kv))?;
        }
        Ok(())
    }

    fn to_json(&self) -> String {
        Object::new()
            .raw("Header", &header_object(self.header.as_ref()).finish())
            .raw("Events", &json::list(self.events.iter().map(event_json)))
            .number_always("CompactRevision", self.compact_revision)
            .raw("Canceled", if self.canceled { "true" } else { "false" })
            .raw("Created", if self.created { "true" } else { "false" })
            .finish()
    }
}
