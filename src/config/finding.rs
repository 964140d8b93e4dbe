//! What is wrong, or odd, about a configuration.

use std::fmt;

/// One sentence about one option. Never holds a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The option: the name that the value came by first, the other one in parentheses.
    pub subject: String,
    /// What is wrong with it and what to do.
    pub text: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.subject, self.text)
    }
}

/// Everything that is wrong with a configuration, in the order of its parts; never empty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("read the configuration: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct Mistakes(pub Vec<Finding>);
