//! Opens connections and cancels statements, with or without TLS.

use std::sync::Arc;

use postgres::tls::{MakeTlsConnect, TlsConnect};
use postgres::{CancelToken, Client, Config, Error as DriverError, NoTls, Socket};

use super::patient::Patient;

/// The driver's two operations that open a socket, for any kind of TLS.
pub(crate) trait Connector: Send + Sync {
    /// Opens a connection.
    fn connect(&self, config: &Config) -> Result<Client, DriverError>;

    /// Cancels the statement that runs on a connection. The token knows whether that connection uses TLS.
    fn cancel(&self, token: &CancelToken) -> Result<(), DriverError>;
}

impl<T> Connector for T
where
    T: MakeTlsConnect<Socket> + Clone + Send + Sync + 'static,
    T::TlsConnect: Send,
    T::Stream: Send,
    <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
{
    fn connect(&self, config: &Config) -> Result<Client, DriverError> {
        config.connect(self.clone())
    }

    fn cancel(&self, token: &CancelToken) -> Result<(), DriverError> {
        // A connector that cannot do TLS can still cancel on a connection without.
        token.cancel_query(Patient(self.clone())).or_else(|_| token.cancel_query(self.clone()))
    }
}

/// Opens connections without TLS.
pub(crate) fn plain() -> Arc<dyn Connector> {
    Arc::new(NoTls)
}
