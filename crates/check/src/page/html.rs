//! The picture as a page: one file with its style, its program and its data, which asks nobody for anything.

use std::fmt::Write as _;

use super::picture::{Kind, Picture};
use crate::format::json::write_string;

const STYLE: &str = include_str!("page.css");
const PROGRAM: &str = include_str!("page.js");
const BODY: &str = include_str!("page.html");

/// Makes the page. What it is allowed is said in its head: its own style and program, and nothing from outside.
pub fn html(picture: &Picture) -> String {
    let mut data = String::new();
    write_data(&mut data, picture);
    // In a script, `<` could end it or begin a comment.
    let data = data.replace('<', "\\u003c");
    let (title, verdict) = (escaped(&picture.title), escaped(&picture.verdict));
    let mut page =
        String::with_capacity(data.len() + BODY.len() + STYLE.len() + PROGRAM.len() + verdict.len());
    // What is filled in is not looked at again: it may have braces of its own.
    let mut rest = BODY;
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, after) = after.split_once("}}").expect("the page closes its braces");
        page.push_str(before);
        page.push_str(match name {
            "title" => &title,
            "style" => STYLE,
            "program" => PROGRAM,
            "verdict" => &verdict,
            "data" => &data,
            other => panic!("expected a part of the page, found {other}"),
        });
        rest = after;
    }
    page.push_str(rest);
    page
}

/// Columns, not rows: a hundred thousand operations are a few megabytes.
fn write_data(text: &mut String, picture: &Picture) {
    text.push_str("{\"lanes\":");
    strings(text, picture.lanes.iter().map(|lane| lane.clients.join(", ")));
    let _ = write!(text, ",\"width\":{:.0}", picture.width);
    numbers(text, "lane", picture.bars.iter().map(|bar| bar.lane as f64));
    numbers(text, "from", picture.bars.iter().map(|bar| bar.from));
    numbers(text, "to", picture.bars.iter().map(|bar| bar.to));
    numbers(text, "point", picture.bars.iter().map(|bar| bar.point.unwrap_or(-1.0)));
    numbers(text, "line", picture.bars.iter().map(|bar| bar.line as f64));
    numbers(
        text,
        "kind",
        picture.bars.iter().map(|bar| match bar.kind {
            Kind::Returned => 0.0,
            Kind::Failed => 1.0,
            Kind::Open => 2.0,
        }),
    );
    numbers(
        text,
        "invoked",
        picture.bars.iter().map(|bar| bar.invoked.map_or(-1.0, |at| at.as_secs_f64() * 1e6)),
    );
    numbers(text, "took", picture.bars.iter().map(|bar| bar.took.map_or(-1.0, |at| at.as_secs_f64() * 1e6)));
    text.push_str(",\"client\":");
    strings(text, picture.bars.iter().map(|bar| bar.client.clone()));
    text.push_str(",\"label\":");
    strings(text, picture.bars.iter().map(|bar| bar.label.clone()));
    numbers(text, "problems", picture.problems.iter().map(|problem| problem.bar as f64));
    text.push_str(",\"why\":");
    strings(text, picture.problems.iter().map(|problem| problem.why.clone()));
    text.push_str(",\"mark\":");
    write_string(text, picture.mark);
    numbers(text, "core", picture.core.iter().map(|index| *index as f64));
    text.push_str(",\"orders\":[");
    for (index, order) in picture.orders.iter().enumerate() {
        text.push_str(if index == 0 { "" } else { "," });
        list(text, order.iter().map(|index| *index as f64));
    }
    text.push(']');
    numbers(text, "bandFrom", picture.bands.iter().map(|band| band.from));
    numbers(text, "bandTo", picture.bands.iter().map(|band| band.to));
    text.push_str(",\"bandWhat\":");
    strings(text, picture.bands.iter().map(|band| band.what.clone()));
    text.push('}');
}

fn strings(text: &mut String, values: impl Iterator<Item = String>) {
    text.push('[');
    for (index, value) in values.enumerate() {
        text.push_str(if index == 0 { "" } else { "," });
        write_string(text, &value);
    }
    text.push(']');
}

fn numbers(text: &mut String, name: &str, values: impl Iterator<Item = f64>) {
    let _ = write!(text, ",\"{name}\":");
    list(text, values);
}

fn list(text: &mut String, values: impl Iterator<Item = f64>) {
    text.push('[');
    for (index, value) in values.enumerate() {
        text.push_str(if index == 0 { "" } else { "," });
        let tenths = (value * 10.0).round() / 10.0;
        let _ = write!(text, "{tenths}");
    }
    text.push(']');
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
