//! Which server a command means, and where its files are.

use std::path::{Path, PathBuf};

use crate::{
    cli::Place,
    config::{self, Config, LoadError},
    failure::Failure,
    terminal,
};

/// Loads a configuration, or tells all that is wrong with it.
pub(crate) fn load(path: &Path) -> Result<Config, Failure> {
    config::load(path).map_err(explained)
}

/// As [`load`], for who asks whether there are mistakes.
pub(crate) fn check(path: &Path) -> Result<Config, Failure> {
    config::check(path).map_err(explained)
}

fn explained(error: LoadError) -> Failure {
    match error {
        LoadError::Wrong(report) => Failure::report(report.render(terminal::colours_on_stderr()), true),
        LoadError::Read { path, source } => {
            let failure =
                Failure::usage(format!("cannot read {}: {}", path.display(), config::words(&source)));
            if path == Path::new(config::DEFAULT_FILE) {
                failure
                    .hint("name your file with --config FILE; to try things out, `postrider dev` needs none")
            } else {
                failure
            }
        }
    }
}

/// Where `dev` keeps its state unless told otherwise: in the state directory of the user, by the XDG Base Directory rules.
pub(crate) fn dev_dir() -> PathBuf {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = absolute("XDG_STATE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".local/state")));
    state.map_or_else(|| PathBuf::from("postrider-dev"), |state| state.join("postrider/dev"))
}

/// The data directory of the server that is meant: as named, else of the installed one, else of the default `dev` one.
pub(crate) fn data_dir(place: &Place) -> Result<PathBuf, Failure> {
    if let Some(dir) = &place.dir {
        return Ok(dir.clone());
    }
    if let Some(file) = &place.config {
        return Ok(load(file)?.data_dir);
    }
    let installed = Path::new(config::DEFAULT_FILE);
    if installed.exists() {
        return Ok(load(installed)?.data_dir);
    }
    let dev = dev_dir();
    if dev.is_dir() {
        return Ok(dev);
    }
    Err(Failure::usage(format!(
        "no server found: there is neither {} nor {}",
        installed.display(),
        dev.display()
    ))
    .hint("name the server with --config FILE or --dir DIR"))
}
