//! Changing a running vipcast.

use std::fmt;
use std::path::PathBuf;

use crate::config::{Checked, Learned, Mistakes};

/// How the configuration is made anew: the words of the process stay, what they point at is read again.
pub struct Remake {
    make: Box<Make>,
    /// The file that is read with it, if there is one: another content of it is a reason to.
    file: Option<PathBuf>,
}

type Make = dyn Fn(&Learned) -> Result<Checked, Mistakes> + Send + Sync;

impl Remake {
    /// By this function, which reads files and so may block.
    #[must_use]
    pub fn new(make: impl Fn(&Learned) -> Result<Checked, Mistakes> + Send + Sync + 'static) -> Self {
        Self { make: Box::new(make), file: None }
    }

    /// With this configuration file: when its content changes, the configuration is made anew.
    #[must_use]
    pub fn with_file(self, file: Option<PathBuf>) -> Self {
        Self { file, ..self }
    }

    /// The configuration as it would be now.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn make(&self, learned: &Learned) -> Result<Checked, Mistakes> {
        (self.make)(learned)
    }
}

impl fmt::Debug for Remake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remake").field("file", &self.file).finish_non_exhaustive()
    }
}
