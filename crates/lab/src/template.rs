//! A project of one's own: a state machine, in the simulator, with a bug to find.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Where a project takes the crates from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Crates {
    /// The folder `crates` of a checkout.
    Checkout(PathBuf),
    /// The registry, in this version.
    Registry,
}

impl Crates {
    /// The checkout that this program was built from if it is still there, else the registry.
    pub fn found() -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."));
        match folder.join("sim/Cargo.toml").is_file() {
            true => Crates::Checkout(folder.to_owned()),
            false => Crates::Registry,
        }
    }

    fn dependency(&self, name: &str) -> String {
        let version = env!("CARGO_PKG_VERSION");
        match self {
            Crates::Checkout(folder) => {
                let path = toml::Value::String(folder.join(name).display().to_string());
                format!("synod-{name} = {{ path = {path} }}\n")
            }
            Crates::Registry => format!("synod-{name} = \"{version}\"\n"),
        }
    }
}

/// Writes a project into a folder that is not there yet, or is empty. Gives its files.
///
/// # Errors
/// When there is something in the folder, its name is no name of a package, or it cannot be written.
pub fn create(folder: &Path, crates: &Crates) -> io::Result<Vec<PathBuf>> {
    let refuse = |problem: String| Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
    let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !name.starts_with(|c: char| c.is_ascii_alphabetic()) || !name.chars().all(plain) {
        return refuse(format!(
            "expected a folder whose name can be a package's, such as my-machine, found `{name}`"
        ));
    }
    if fs::read_dir(folder).is_ok_and(|mut files| files.next().is_some()) {
        return refuse(format!("{} is not empty; name a folder that is not there yet", folder.display()));
    }
    let manifest = format!(
        "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\npublish = false\n\n[dependencies]\n{}{}\n\
         # A project of its own, wherever it lies.\n[workspace]\n\n\
         # Simulated worlds are worth some optimization.\n[profile.dev]\nopt-level = 1\n",
        crates.dependency("machine"),
        crates.dependency("sim")
    );
    fs::create_dir_all(folder.join("src"))?;
    let files = [
        ("Cargo.toml", manifest.as_str()),
        ("src/main.rs", synod_sim::TEMPLATE),
        (".gitignore", "/target\n"),
    ];
    files
        .into_iter()
        .map(|(file, text)| {
            let file = folder.join(file);
            fs::write(&file, text).map(|()| file)
        })
        .collect()
}
