//! SIGINT and SIGTERM: after the first signal no further work begins, and what runs has a moment to finish before it is
//! cancelled; the second signal ends the process at once.
//!
//! Only a command that changes something listens for them. The first signal ends any other command, as by default.

#[cfg(unix)]
mod unix {
    use std::io;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
    use std::time::Duration;

    use migrations_core::Interrupt;
    use signal_hook::consts::{SIGINT, SIGTERM};
    use signal_hook::flag;
    use signal_hook::iterator::Signals;

    use crate::error::Exit;

    /// A command that ends within this time explains nothing.
    const SILENCE: Duration = Duration::from_millis(500);

    /// The signal that arrived first.
    #[derive(Clone, Default)]
    pub(crate) struct Received(Arc<AtomicI32>);

    impl Received {
        /// The exit code that a shell reports for it.
        pub(crate) fn exit(&self) -> Option<Exit> {
            exit(self.0.load(Ordering::SeqCst))
        }
    }

    /// At the first signal, ends the work within `grace`; the second signal ends the process at once.
    pub(crate) fn listen(interrupt: &Interrupt, grace: Duration) -> io::Result<Received> {
        let received = Received::default();
        let is_second = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // In this order, a signal does not see the flag that it sets itself.
            flag::register_conditional_shutdown(signal, code(signal), Arc::clone(&is_second))?;
            flag::register(signal, Arc::clone(&is_second))?;
        }
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        let (interrupt, first) = (interrupt.clone(), received.clone());
        std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
            if let Some(signal) = signals.forever().next() {
                first.0.store(signal, Ordering::SeqCst);
                interrupt.drain(grace);
                std::thread::sleep(SILENCE);
                if grace > SILENCE {
                    log::warn!(
                        "the signal was received: no further tenant is begun; statements that still run after \
                         {grace:?} are cancelled; a second signal ends the process at once"
                    );
                }
            }
        })?;
        Ok(received)
    }

    fn exit(signal: i32) -> Option<Exit> {
        match signal {
            SIGINT => Some(Exit::Interrupted),
            SIGTERM => Some(Exit::Terminated),
            _ => None,
        }
    }

    fn code(signal: i32) -> i32 {
        exit(signal).map_or(1, |exit| i32::from(exit.code()))
    }
}

#[cfg(unix)]
pub(crate) use unix::{Received, listen};

#[cfg(not(unix))]
mod other {
    use std::io;
    use std::time::Duration;

    use migrations_core::Interrupt;

    use crate::error::Exit;

    /// This platform has no such signals.
    #[derive(Clone, Default)]
    pub(crate) struct Received;

    impl Received {
        pub(crate) fn exit(&self) -> Option<Exit> {
            None
        }
    }

    pub(crate) fn listen(_: &Interrupt, _: Duration) -> io::Result<Received> {
        Ok(Received)
    }
}

#[cfg(not(unix))]
pub(crate) use other::{Received, listen};
