//! Where programs and external plugins are: `PATH`, and `--plugins`, else `OYEZ_PLUGINS`, else `plugins` in the store's
//! folder.

use std::path::PathBuf;

use clap::Args;
use oyez_engine::SearchPath;

use crate::place::Place;

/// The option that every command has that plans jobs.
#[derive(Clone, Debug, Default, Args)]
pub struct Programs {
    /// The folder of external plugins: executables that a descriptor names as a step, target manager or reporter
    /// [default: $OYEZ_PLUGINS, else plugins in the store's folder]
    #[arg(long, value_name = "DIR")]
    plugins: Option<PathBuf>,
}

impl Programs {
    /// Where they are. Without any folder there are no plugins.
    pub fn find(&self, place: &Place) -> SearchPath {
        let var = || std::env::var_os("OYEZ_PLUGINS").filter(|v| !v.is_empty()).map(PathBuf::from);
        let in_store = || place.folder().ok().map(|folder| folder.join("plugins"));
        let programs = SearchPath::from_env();
        match self.plugins.clone().or_else(var).or_else(in_store) {
            Some(folder) => programs.with_plugins(folder),
            None => programs,
        }
    }
}
