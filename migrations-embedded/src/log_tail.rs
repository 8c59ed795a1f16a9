//! The end of a server's log, short enough for a message.

use std::fs;
use std::path::Path;

use crate::untrusted;

/// The most that is shown of a log, in bytes.
const LONGEST: usize = 8 << 10;

/// How far back in a log these lines are looked for, in bytes.
const SEARCHED: u64 = 1 << 20;

/// The current length of the log; the lines of the next start follow after it.
pub(crate) fn length(log: &Path) -> u64 {
    fs::symlink_metadata(log).map_or(0, |metadata| metadata.len())
}

/// The last whole lines of the log, none from before the byte `from`. Empty when the log cannot be read.
///
/// Statements that the server quotes are left out. One is as long as a tenant's whole set, and a server that dies
/// quotes one for every connection: they would leave no room for what the server says itself.
pub(crate) fn read(log: &Path, from: u64) -> String {
    let start = from.max(length(log).saturating_sub(SEARCHED));
    let Ok(bytes) = untrusted::read(log, start, SEARCHED) else {
        return String::new();
    };
    let text = String::from_utf8_lossy(&bytes);
    let cut_off = start > from;
    let whole = if cut_off { text.split_once('\n').map_or("", |(_, rest)| rest) } else { &text };

    let mut shown = 0;
    let mut lines: Vec<&str> = without_statements(whole.trim_end())
        .into_iter()
        .rev()
        .take_while(|line| {
            shown += line.len() + 1;
            shown <= LONGEST
        })
        .collect();
    lines.reverse();
    lines.join("\n")
}

/// The lines of a log except those of quoted statements, from the first line that begins an entry.
///
/// An entry begins with a prefix, its kind and `:  `. The server indents the lines that continue it by a tab
/// (`append_with_tabs` in `elog.c`).
fn without_statements(log: &str) -> Vec<&str> {
    let mut in_statement = true;
    let mut lines = Vec::new();
    for line in log.lines() {
        if !line.starts_with('\t') {
            in_statement = line.split_once(":  ").is_some_and(|(before, _)| before.ends_with("STATEMENT"));
        }
        if !in_statement {
            lines.push(line);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_log_gives_its_last_whole_lines_and_a_short_one_all_of_a_start() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let lines: Vec<String> = (0..2000).map(|number| format!("line {number}")).collect();
        std::fs::write(&log, lines.join("\n")).unwrap();

        let tail = read(&log, 0);
        assert!(tail.starts_with("line "), "{tail}");
        assert!(tail.ends_with("\nline 1999"), "{tail}");
        assert!(tail.len() <= LONGEST);

        assert_eq!(read(&log, length(&log) - 9), "line 1999");
        assert_eq!(read(&folder.path().join("none"), 0), "");
    }

    #[test]
    fn the_statements_of_dying_connections_leave_room_for_what_the_server_says() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let statement = "\tCREATE TABLE t (\n\t    id int\n\t);\n".repeat(1000);
        let dying =
            format!("FATAL:  terminating connection\n2026-11-21 10:00:00 UTC [7] STATEMENT:  SELECT 1\n{statement}");
        let end = "DETAIL:  two\n\tlines\nLOG:  a text with STATEMENT:  in it";
        std::fs::write(&log, format!("LOG:  ready\n{dying}{dying}{end}\n")).unwrap();

        let fatal = "FATAL:  terminating connection";
        assert_eq!(read(&log, 0), format!("LOG:  ready\n{fatal}\n{fatal}\n{end}"));
    }
}
