//! `cargo xtask browser`: the page of `synod check --html`, looked at by a browser.
//!
//! Headless Chromium opens pages of 10, 1,000 and 100,000 operations and is driven as a reader would: by keys. Checked
//! are the jump to the first problem, moving and zooming, that only what can be seen is drawn, contrast of text and of
//! colours in both themes, and that no page asks anybody for anything. Screenshots are left in `target/browser` for
//! a person to look at. Where Chromium is missing it is installed; where that fails, so does the command.

mod devtools;
mod pages;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::Value;

use crate::repository;
use devtools::Browser;

/// Look at the pages of `synod check --html` with headless Chromium.
#[derive(clap::Args)]
pub struct Arguments {}

/// How many operations the pages have.
const SIZES: [usize; 3] = [10, 1_000, 100_000];
/// No more bars than this may be drawn at the scale at which a problem is looked at.
const VISIBLE_MAX: u64 = 2_000;
/// How long a page may take to be ready, and to draw everything at once.
const READY_MAX: Duration = Duration::from_secs(20);
const DRAWN_MAX_MS: f64 = 1_500.0;
/// What WCAG 2 asks at level AA, of text and of other marks.
const TEXT_CONTRAST_MIN: f64 = 4.5;
const MARK_CONTRAST_MIN: f64 = 3.0;

impl Arguments {
    /// Runs the command.
    pub fn run(&self) -> anyhow::Result<()> {
        let program = chromium()?;
        let folder = repository::root().join("target/browser");
        std::fs::create_dir_all(&folder)?;
        let mut browser = Browser::start(&program, &folder)?;
        sees_requests(&mut browser, &folder)?;
        for size in SIZES {
            look(&mut browser, &folder, size).with_context(|| format!("the page of {size} operations"))?;
        }
        println!("All pages are as they should be. Screenshots: {}", folder.display());
        Ok(())
    }
}

/// The browser's program, installed if it is missing.
fn chromium() -> anyhow::Result<PathBuf> {
    let find = || {
        let names = ["chromium", "chromium-browser", "google-chrome"];
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
        names
            .iter()
            .find_map(|name| folders.iter().map(|folder| folder.join(name)).find(|file| file.is_file()))
    };
    if let Some(program) = find() {
        return Ok(program);
    }
    println!("Chromium is missing; installing it with apt-get");
    for words in [&["update"][..], &["install", "-y", "--no-install-recommends", "chromium"]] {
        let status = Command::new("apt-get").args(words).env("DEBIAN_FRONTEND", "noninteractive").status();
        let status = status.context("Chromium is missing, and so is apt-get; install it by hand")?;
        ensure!(status.success(), "apt-get {} failed; install Chromium by hand", words.join(" "));
    }
    find().context("apt-get installed Chromium, but it is not on the PATH")
}

/// A page that does ask for something: if that goes unseen, the check of the others means nothing.
fn sees_requests(browser: &mut Browser, folder: &Path) -> anyhow::Result<()> {
    let file = folder.join("asks.html");
    std::fs::write(&file, "<!doctype html><img src=\"http://127.0.0.1:9/picture.png\"><p>asks</p>")?;
    browser.open(&file)?;
    browser.wait_for("document.readyState === 'complete'", READY_MAX)?;
    let asked = browser.requests();
    ensure!(
        asked.iter().any(|request| request.contains("picture.png")),
        "expected to see the page ask for a picture, saw {asked:?}"
    );
    Ok(())
}

fn look(browser: &mut Browser, folder: &Path, size: usize) -> anyhow::Result<()> {
    let began = Instant::now();
    let (page, problem) = pages::page(size)?;
    let file = folder.join(format!("{size}.html"));
    std::fs::write(&file, &page)?;
    browser.open(&file)?;
    browser.wait_for("document.documentElement.dataset.ready === 'yes'", READY_MAX)?;
    println!(
        "{size} operations: {:.1} MB, made and drawn in {:.1?}",
        page.len() as f64 / 1e6,
        began.elapsed()
    );
    ensure!(browser.fact("count")? == size as u64, "expected {size} bars, found {}", browser.fact("count")?);
    for theme in ["light", "dark"] {
        contrast(browser, theme)?;
        browser.screenshot(&folder.join(format!("{size}-{theme}.png")))?;
    }
    keys(browser, size as u64, problem)?;
    browser.screenshot(&folder.join(format!("{size}-problem.png")))?;
    let asked: Vec<String> =
        browser.requests().into_iter().filter(|request| !request.starts_with("data:")).collect();
    ensure!(
        asked.len() == 1 && asked[0].starts_with("file:"),
        "expected no request but for the page: {asked:?}"
    );
    let complaints = browser.complaints();
    ensure!(complaints.is_empty(), "the page complains: {complaints:?}");
    let everything = browser.evaluate(
        "(() => { const began = performance.now(); document.dispatchEvent(new KeyboardEvent('keydown', {key: 'f'})); \
         return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => \
         done(performance.now() - began)))); })()",
    )?;
    let took = everything.as_f64().context("a time")?;
    ensure!(
        took < DRAWN_MAX_MS,
        "expected everything to be drawn within {DRAWN_MAX_MS} ms, took {took:.0} ms"
    );
    browser.screenshot(&folder.join(format!("{size}-everything.png")))?;
    Ok(())
}

/// Drives the page by keys alone.
fn keys(browser: &mut Browser, size: u64, problem: u64) -> anyhow::Result<()> {
    let press = |browser: &mut Browser, key: &str, expected: u64| -> anyhow::Result<()> {
        browser.key(key)?;
        let condition = format!("document.documentElement.dataset.chosen === '{expected}'");
        browser.wait_for(&condition, READY_MAX).with_context(|| format!("{key} should choose {expected}"))
    };
    press(browser, "Home", 0)?;
    press(browser, "ArrowRight", 1)?;
    press(browser, "ArrowLeft", 0)?;
    press(browser, "End", size - 1)?;
    press(browser, "p", problem)?;
    let said = browser.evaluate("document.getElementById('details').textContent")?;
    let said = said.as_str().unwrap_or_default().to_owned();
    ensure!(said.contains("cannot be placed"), "expected the problem to be told, found {said:?}");
    let visible = browser.fact("visible")?;
    ensure!(
        visible <= VISIBLE_MAX.min(size),
        "expected at most {VISIBLE_MAX} bars to be drawn, found {visible}"
    );
    let zoom = "Number(document.documentElement.dataset.zoom)";
    let before = browser.evaluate(zoom)?.as_f64().context("a scale")?;
    browser.key("+")?;
    browser.wait_for(&format!("{zoom} > {before}"), READY_MAX)?;
    browser.key("-")?;
    browser.wait_for(&format!("{zoom} <= {before}"), READY_MAX)?;
    // The chart itself and every button can be reached and seen to be reached.
    let reached = browser.evaluate(
        "[...document.querySelectorAll('button:not(:disabled), #chart')].every((each) => { each.focus(); \
         return document.activeElement === each; })",
    )?;
    ensure!(reached == Value::Bool(true), "expected every control to take the focus");
    Ok(())
}

/// Measures the contrast of every text of the page, and of the colours that the chart is drawn with.
fn contrast(browser: &mut Browser, theme: &str) -> anyhow::Result<()> {
    browser.evaluate(&format!(
        "if (document.documentElement.dataset.theme !== '{theme}') document.getElementById('theme').click()"
    ))?;
    browser.wait_for(&format!("document.documentElement.dataset.theme === '{theme}'"), READY_MAX)?;
    let script = include_str!("contrast.js");
    let measured = browser.evaluate(script)?;
    let worst = |name: &str| -> anyhow::Result<(f64, String)> {
        let entry = &measured[name];
        let ratio = entry["ratio"].as_f64().with_context(|| format!("no contrast of {name} was measured"))?;
        Ok((ratio, entry["what"].as_str().unwrap_or_default().to_owned()))
    };
    let ((text, of_text), (mark, of_mark)) = (worst("text")?, worst("mark")?);
    ensure!(
        text >= TEXT_CONTRAST_MIN,
        "{theme}: expected {TEXT_CONTRAST_MIN} of text, found {text:.2} of {of_text}"
    );
    ensure!(
        mark >= MARK_CONTRAST_MIN,
        "{theme}: expected {MARK_CONTRAST_MIN} of marks, found {mark:.2} of {of_mark}"
    );
    println!("  {theme}: least contrast {text:.1} of text ({of_text}), {mark:.1} of marks ({of_mark})");
    Ok(())
}
