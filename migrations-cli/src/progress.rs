//! The line that counts tenants while a run goes on. It is on a terminal only, and gone when the run is over.

use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use migrations_core::Event;

use crate::args::Global;
use crate::logging;

/// How often the line is written at most.
const PAUSE: Duration = Duration::from_millis(100);

pub(crate) struct Progress {
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    total: usize,
    done: usize,
    failed: usize,
    waiting: Option<String>,
    written: Option<Instant>,
}

impl Progress {
    /// A line, where there is somebody to see it and nothing else that writes there meanwhile.
    pub(crate) fn new(global: &Global) -> Option<Self> {
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        let wanted = !global.quiet && !logging::is_talkative(global) && !dumb && io::stderr().is_terminal();
        wanted.then(|| Self { counts: Mutex::default() })
    }

    pub(crate) fn on(&self, event: &Event<'_>) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if !counts.count(event) {
            return;
        }
        let now = Instant::now();
        if counts.written.is_some_and(|written| now - written < PAUSE) {
            return;
        }
        counts.written = Some(now);
        write(&counts.line());
    }

    /// Takes the line away.
    pub(crate) fn clear(&self) {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.written.is_some() {
            write("");
        }
    }
}

/// Writes over the line that is there. Nobody misses it when the terminal is gone.
fn write(line: &str) {
    let mut stderr = io::stderr().lock();
    let _ = write!(stderr, "\r\x1b[K{line}").and_then(|()| stderr.flush());
}

impl Counts {
    /// Whether the event changes the line.
    fn count(&mut self, event: &Event<'_>) -> bool {
        match event {
            Event::Planned { tenants, .. } => self.total = *tenants,
            Event::TenantCreated { .. } => {
                self.done += 1;
                self.waiting = None;
            }
            Event::TenantMigrated { progress, .. } => {
                (self.done, self.total) = (progress.done, progress.total);
                self.waiting = None;
            }
            Event::TenantFailed { progress, .. } => {
                (self.done, self.total) = (progress.done, progress.total);
                self.failed += 1;
            }
            Event::Waiting { what } => {
                self.waiting = Some((*what).to_owned());
                // Whoever waits wants to know why at once.
                self.written = None;
            }
            _ => return false,
        }
        true
    }

    fn line(&self) -> String {
        let Self { total, done, failed, waiting, .. } = self;
        let failed = if *failed > 0 { format!(", {failed} failed") } else { String::new() };
        let waiting = waiting.as_ref().map(|what| format!("; {what} is locked by another run, waiting"));
        format!("tenants {done}/{total}{failed}{}", waiting.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use migrations_core::TenantName;

    use super::*;

    #[test]
    fn the_line_counts_and_says_what_it_waits_for() -> Result<(), migrations_core::NameError> {
        let tenant: TenantName = "acme".parse()?;
        let mut counts = Counts::default();
        assert!(counts.count(&Event::Planned { shared: &[], tenants: 9 }));
        assert_eq!(counts.line(), "tenants 0/9");
        assert!(counts.count(&Event::Waiting { what: "tenant acme" }));
        assert_eq!(counts.line(), "tenants 0/9; tenant acme is locked by another run, waiting");
        assert!(counts.count(&Event::TenantCreated { tenant: &tenant, elapsed: Duration::ZERO }));
        assert_eq!(counts.line(), "tenants 1/9");
        Ok(())
    }
}
