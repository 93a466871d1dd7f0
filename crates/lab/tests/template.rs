//! The project that `synod lab new` writes: it compiles, its first hunt finds its bug and explains it, and the cure that it names cures it.

use std::path::Path;
use std::process::{Command, Output};

use synod_lab::template::{Crates, create};

const BUG: &str = "                fx.write(command);\n";
const TOO_EARLY: &str = "                fx.reply(id, self.sum);\n";
const CURE: &str =
    "let (ticket, sum) = (fx.write(command), self.sum); fx.hold(ticket, |fx| fx.reply(id, sum));\n";

fn made(folder: &Path) -> Output {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.lock");
    std::fs::copy(workspace, folder.join("Cargo.lock")).expect("the versions that are at hand");
    Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--offline"])
        .current_dir(folder)
        .env("CARGO_TARGET_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join("template"))
        .output()
        .expect("cargo can be run")
}

#[test]
fn the_first_hunt_finds_explains_and_shrinks_the_bug_and_its_cure_cures() {
    let folder = tempfile::tempdir().expect("a folder");
    let project = folder.path().join("my-machine");
    create(&project, &Crates::found()).expect("written");
    let output = made(&project);
    let told = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{told}{}", String::from_utf8_lossy(&output.stderr));
    for part in ["what was told is not lost violated", "shrunk in", "at ", "crash", "start with", "legend"] {
        assert!(told.contains(part), "no `{part}` in\n{told}");
    }
    assert!(told.lines().count() < 60, "it fits on a screen and a half:\n{told}");

    let source = project.join("src/main.rs");
    let text = std::fs::read_to_string(&source).expect("it was written");
    assert!(text.contains(CURE), "the cure stands in the source");
    let cured = text.replacen(BUG, "", 1).replacen(TOO_EARLY, CURE, 1);
    std::fs::write(&source, cured).expect("written");
    let output = made(&project);
    let told = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{told}{}", String::from_utf8_lossy(&output.stderr));
    assert!(told.starts_with("✓ nothing found in 1000 runs"), "{told}");
}

#[test]
fn nothing_is_overwritten() {
    let folder = tempfile::tempdir().expect("a folder");
    let project = folder.path().join("mine");
    create(&project, &Crates::Registry).expect("written");
    let error = create(&project, &Crates::Registry).expect_err("it is there").to_string();
    assert!(error.contains("is not empty"), "{error}");
    let error = create(&folder.path().join("3 x"), &Crates::Registry).expect_err("no name").to_string();
    assert!(error.contains("found `3 x`"), "{error}");
}
