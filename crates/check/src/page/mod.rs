//! A history to be looked at: operations as bars, a lane for each client, time to the right.
//!
//! [`html`] makes one file that needs nothing else, for a browser; [`svg`] makes a picture that stands still. Both
//! draw the same [`Picture`], which is laid out here: time is warped so that the text of every bar fits, the order of
//! events is kept, and distances mean nothing (the page says so). Operations whose end is unknown are open to
//! the right; where an order explains the history, a point in each bar says when it takes effect.

mod html;
mod picture;
mod svg;

pub use html::html;
pub use picture::{Band, Bar, Kind, Lane, Picture, Problem};
pub use svg::svg;
