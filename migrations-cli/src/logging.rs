//! Which log records go to stderr: with `-q` errors, by default also warnings, with `-v` also progress, with `-vv`
//! everything. `RUST_LOG` overrides all of them.

use std::env;
use std::sync::Arc;

use log::{LevelFilter, Log, Metadata, Record};

use crate::args::Global;
use crate::progress::Progress;

/// Libraries that log more than an operator asks for with `-v`.
const CHATTY: [&str; 2] = ["tokio_postgres", "postgres"];

/// refinery only compares a history with a set here, but logs as if it applied the pending migrations.
const UNTRUE: &str = "refinery_core";

/// The module that logs a run's events. A command shows them itself, failures in full and last, so a log line for each
/// would repeat them. With `-v` the log tells the whole run, and holds them in order.
const EVENTS: &str = "migrations_core::event";

/// A logger whose lines do not run into the progress bar.
struct Beside {
    logger: env_logger::Logger,
    progress: Option<Arc<Progress>>,
}

impl Log for Beside {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        !metadata.target().starts_with(UNTRUE) && self.logger.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if record.target().starts_with(UNTRUE) {
            return;
        }
        match &self.progress {
            Some(progress) if self.logger.matches(record) => progress.aside(|| self.logger.log(record)),
            _ => self.logger.log(record),
        }
    }

    fn flush(&self) {
        self.logger.flush();
    }
}

pub(crate) fn start(global: &Global, progress: Option<Arc<Progress>>) {
    let mut builder = env_logger::Builder::new();
    match env::var("RUST_LOG").ok().filter(|filters| !filters.is_empty()) {
        Some(filters) => {
            builder.parse_filters(&filters);
        }
        None => {
            for (module, level) in levels(global) {
                builder.filter(module, level);
            }
        }
    }
    let logger = builder.build();
    let level = logger.filter();
    // `log` refuses a second logger, as in a test that calls this more than once; the first one stays.
    if log::set_boxed_logger(Box::new(Beside { logger, progress })).is_ok() {
        log::set_max_level(level);
    }
}

/// Whether the log prints anything during a run without problems.
pub(crate) fn is_talkative(global: &Global) -> bool {
    global.verbose > 0 || env::var_os("RUST_LOG").is_some_and(|filters| !filters.is_empty())
}

fn levels(global: &Global) -> Vec<(Option<&'static str>, LevelFilter)> {
    let level = match (global.quiet, global.verbose) {
        (true, _) => LevelFilter::Error,
        (false, 0) => LevelFilter::Warn,
        (false, 1) => LevelFilter::Info,
        (false, _) => LevelFilter::Debug,
    };
    let mut levels = vec![(None, level)];
    if level < LevelFilter::Debug {
        levels.extend(CHATTY.map(|module| (Some(module), level.min(LevelFilter::Warn))));
    }
    if level < LevelFilter::Info {
        levels.push((Some(EVENTS), LevelFilter::Off));
    }
    levels
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level_of(module: &str, quiet: bool, verbose: u8) -> LevelFilter {
        let levels = levels(&Global { verbose, quiet, ..Global::default() });
        let find = |name| levels.iter().find(|(module, _)| *module == name).map(|(_, level)| *level);
        find(Some(module)).or_else(|| find(None)).unwrap_or(LevelFilter::Off)
    }

    #[test]
    fn verbosity_sets_the_level() {
        let levels = [(true, 0), (false, 0), (false, 1), (false, 2), (false, 9)];
        assert_eq!(
            levels.map(|(quiet, verbose)| level_of("migrations_core::lock", quiet, verbose)),
            [LevelFilter::Error, LevelFilter::Warn, LevelFilter::Info, LevelFilter::Debug, LevelFilter::Debug]
        );
    }

    #[test]
    fn libraries_are_quiet_until_everything_is_asked_for() {
        for module in CHATTY {
            assert_eq!(level_of(module, true, 0), LevelFilter::Error);
            assert_eq!(level_of(module, false, 1), LevelFilter::Warn);
            assert_eq!(level_of(module, false, 2), LevelFilter::Debug);
        }
    }

    #[test]
    fn events_are_logged_from_v_on() {
        assert_eq!(level_of(EVENTS, false, 0), LevelFilter::Off);
        assert_eq!(level_of(EVENTS, false, 1), LevelFilter::Info);
    }
}
