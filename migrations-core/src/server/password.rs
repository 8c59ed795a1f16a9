//! A password that the application looks up for every connection.

use std::fmt::Display;
use std::sync::Arc;

/// Returns the password, or why there is none.
#[derive(Clone)]
pub(super) struct PasswordSource(Arc<dyn Fn() -> Result<String, String> + Send + Sync>);

impl PasswordSource {
    pub(super) fn new<E: Display>(password: impl Fn() -> Result<String, E> + Send + Sync + 'static) -> Self {
        Self(Arc::new(move || password().map_err(|error| error.to_string())))
    }

    pub(super) fn get(&self) -> Result<String, String> {
        (self.0)()
    }
}
