//! A connection for a request to cancel, which stays open until the server has read the request.
//!
//! The driver sends the request and closes the connection. Over TLS, data that it has not read yet can make the
//! operating system drop the request; and PgBouncer forgets the request of a client that is gone before it has its own
//! connection to the server. libpq waits for the server to close the connection.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use postgres::Socket;
use postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Waits for the end of what the server sends before it closes the connection.
pub(super) struct Patient<T>(pub(super) T);

impl<T: MakeTlsConnect<Socket>> MakeTlsConnect<Socket> for Patient<T> {
    type Stream = Patient<T::Stream>;
    type TlsConnect = Patient<T::TlsConnect>;
    type Error = T::Error;

    fn make_tls_connect(&mut self, domain: &str) -> Result<Self::TlsConnect, Self::Error> {
        self.0.make_tls_connect(domain).map(Patient)
    }
}

impl<C: TlsConnect<Socket>> TlsConnect<Socket> for Patient<C> {
    type Stream = Patient<C::Stream>;
    type Error = C::Error;
    type Future = Handshake<C::Future>;

    fn connect(self, stream: Socket) -> Self::Future {
        Handshake(Box::pin(self.0.connect(stream)))
    }
}

/// The handshake of the connector itself.
pub(super) struct Handshake<F>(Pin<Box<F>>);

impl<S, E, F: Future<Output = Result<S, E>>> Future for Handshake<F> {
    type Output = Result<Patient<S>, E>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(context).map_ok(Patient)
    }
}

impl<S: TlsStream + Unpin> TlsStream for Patient<S> {
    fn channel_binding(&self) -> ChannelBinding {
        self.0.channel_binding()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let mut space = [0; 64];
            let mut buffer = ReadBuf::new(&mut space);
            let read = ready!(Pin::new(&mut self.0).poll_read(context, &mut buffer));
            // A server that has what it needs may close without a word.
            if read.is_err() || buffer.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}
