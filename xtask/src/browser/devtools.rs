//! Headless Chromium, spoken to over its pipe in the DevTools protocol: JSON messages that end with a zero byte.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use serde_json::{Value, json};

/// How long the browser may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(60);
/// How the window is shaped.
const WINDOW: (u32, u32) = (1400, 900);

/// A browser with one page.
pub struct Browser {
    process: Child,
    to: ChildStdin,
    messages: mpsc::Receiver<Value>,
    session: String,
    last_id: u64,
    requests: Vec<String>,
    complaints: Vec<String>,
}

impl Browser {
    /// Starts it, with a profile of its own below `folder`.
    pub fn start(program: &Path, folder: &Path) -> anyhow::Result<Self> {
        // The browser reads from its third and writes to its fourth descriptor; the shell hands it ours as these.
        let mut process = Command::new("sh")
            .args(["-c", "exec \"$@\" 3<&0 4>&1 >&2", "sh"])
            .arg(program)
            .args([
                "--headless=new",
                "--remote-debugging-pipe",
                "--no-sandbox",
                "--disable-gpu",
                "--hide-scrollbars",
            ])
            .args(["--no-first-run", "--disable-background-networking", "--disable-component-update"])
            .arg(format!("--user-data-dir={}", folder.join("profile").display()))
            .arg(format!("--window-size={},{}", WINDOW.0, WINDOW.1))
            .arg("about:blank")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("the browser cannot be started")?;
        let to = process.stdin.take().context("the browser has no input")?;
        let from = process.stdout.take().context("the browser has no output")?;
        let messages = listen(from);
        let mut browser = Self {
            process,
            to,
            messages,
            session: String::new(),
            last_id: 0,
            requests: Vec::new(),
            complaints: Vec::new(),
        };
        let target = browser.ask("Target.createTarget", json!({ "url": "about:blank" }))?;
        let attached = browser
            .ask("Target.attachToTarget", json!({ "targetId": target["targetId"], "flatten": true }))?;
        browser.session = attached["sessionId"].as_str().context("no session was given")?.to_owned();
        for domain in ["Page.enable", "Network.enable", "Runtime.enable", "Log.enable"] {
            browser.ask(domain, json!({}))?;
        }
        let (width, height) = WINDOW;
        let shape = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        browser.ask("Emulation.setDeviceMetricsOverride", shape)?;
        Ok(browser)
    }

    /// Opens a file; what the page before asked for and complained about is forgotten.
    pub fn open(&mut self, file: &Path) -> anyhow::Result<()> {
        self.requests.clear();
        self.complaints.clear();
        let url = format!("file://{}", file.display());
        let opened = self.ask("Page.navigate", json!({ "url": url }))?;
        ensure!(opened.get("errorText").is_none(), "{url} cannot be opened: {opened}");
        Ok(())
    }

    /// The value of an expression.
    pub fn evaluate(&mut self, expression: &str) -> anyhow::Result<Value> {
        let words = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let answer = self.ask("Runtime.evaluate", words)?;
        if let Some(exception) = answer.get("exceptionDetails") {
            bail!("the page failed: {exception}");
        }
        Ok(answer["result"]["value"].clone())
    }

    /// Waits until a condition holds on the page.
    pub fn wait_for(&mut self, condition: &str, longest: Duration) -> anyhow::Result<()> {
        let began = Instant::now();
        // The page looks at every frame, so that nothing is asked in vain.
        let watch = format!(
            "new Promise((done) => {{ const until = performance.now() + {}; const look = () => ({condition}) ? done(true) : \
             performance.now() > until ? done(false) : setTimeout(look, 20); look(); }})",
            longest.as_millis()
        );
        loop {
            // A page that is being replaced answers with an error.
            match self.evaluate(&watch) {
                Ok(Value::Bool(true)) => return Ok(()),
                Ok(_) => bail!("expected within {longest:?} that {condition}"),
                Err(error) if began.elapsed() > longest => return Err(error),
                Err(_) => {}
            }
        }
    }

    /// A number that the page tells of itself.
    pub fn fact(&mut self, name: &str) -> anyhow::Result<u64> {
        let text = self.evaluate(&format!("document.documentElement.dataset.{name}"))?;
        text.as_str().and_then(|text| text.parse().ok()).with_context(|| format!("the page tells no {name}"))
    }

    /// Presses a key and lets it go.
    pub fn key(&mut self, key: &str) -> anyhow::Result<()> {
        for kind in ["keyDown", "keyUp"] {
            self.ask("Input.dispatchKeyEvent", json!({ "type": kind, "key": key }))?;
        }
        Ok(())
    }

    /// Writes what can be seen to a file.
    pub fn screenshot(&mut self, file: &Path) -> anyhow::Result<()> {
        let answer = self.ask("Page.captureScreenshot", json!({ "format": "png" }))?;
        let encoded = answer["data"].as_str().context("no picture was given")?;
        Ok(std::fs::write(file, decoded(encoded)?)?)
    }

    /// What the page has asked for so far.
    pub fn requests(&self) -> Vec<String> {
        self.requests.clone()
    }

    /// Errors that the page has met so far.
    pub fn complaints(&self) -> Vec<String> {
        self.complaints.clone()
    }

    fn ask(&mut self, method: &str, parameters: Value) -> anyhow::Result<Value> {
        self.last_id += 1;
        let mut message = json!({ "id": self.last_id, "method": method, "params": parameters });
        if !self.session.is_empty() {
            message["sessionId"] = json!(self.session);
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.to.write_all(&bytes).context("the browser is gone")?;
        self.to.flush()?;
        loop {
            let answer = self.messages.recv_timeout(ANSWER_MAX);
            let answer = answer.with_context(|| format!("the browser does not answer {method}"))?;
            if answer["id"] == json!(self.last_id) {
                if let Some(error) = answer.get("error") {
                    bail!("{method} was refused: {error}");
                }
                return Ok(answer["result"].clone());
            }
            self.take_event(&answer);
        }
    }

    fn take_event(&mut self, event: &Value) {
        let parameters = &event["params"];
        match event["method"].as_str() {
            Some("Network.requestWillBeSent") => {
                self.requests.extend(parameters["request"]["url"].as_str().map(str::to_owned));
            }
            Some("Runtime.exceptionThrown") => {
                self.complaints.push(parameters["exceptionDetails"].to_string())
            }
            Some("Log.entryAdded") if parameters["entry"]["level"] == "error" => {
                self.complaints.push(parameters["entry"]["text"].to_string());
            }
            _ => {}
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Hands on the messages of the browser, until it is gone.
fn listen(from: ChildStdout) -> mpsc::Receiver<Value> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut from = BufReader::new(from);
        let mut message = Vec::new();
        while from.read_until(0, &mut message).is_ok_and(|count| count > 0) {
            message.pop();
            let parsed = serde_json::from_slice(&message);
            message.clear();
            if parsed.is_ok_and(|value| sender.send(value).is_err()) {
                return;
            }
        }
    });
    receiver
}

/// Base 64, as the protocol sends pictures.
fn decoded(text: &str) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0_u32, 0);
    for letter in text.bytes().filter(|letter| *letter != b'=') {
        let digit = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => bail!("expected base 64, found the byte {letter}"),
        };
        bits = (bits << 6) | u32::from(digit);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    Ok(bytes)
}
