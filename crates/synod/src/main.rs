//! Synod on the command line.
#![allow(dead_code)]
mod config;
mod go_syntax;

fn main() {}
