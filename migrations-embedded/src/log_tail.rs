//! The end of a server's log, short enough for a message.

use std::fs;
use std::path::Path;

use crate::untrusted;

/// The most that is shown of a log, in bytes.
const LONGEST: u64 = 8 << 10;

/// The current length of the log; the lines of the next start follow after it.
pub(crate) fn length(log: &Path) -> u64 {
    fs::symlink_metadata(log).map_or(0, |metadata| metadata.len())
}

/// The last whole lines of the log, none from before the byte `from`. Empty when the log cannot be read.
pub(crate) fn read(log: &Path, from: u64) -> String {
    let start = from.max(length(log).saturating_sub(LONGEST));
    let Ok(bytes) = untrusted::read(log, start, LONGEST) else {
        return String::new();
    };
    let text = String::from_utf8_lossy(&bytes);
    let cut_off = start > from;
    let whole = if cut_off { text.split_once('\n').map_or("", |(_, rest)| rest) } else { &text };
    whole.trim_end().to_owned()
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
        assert!(tail.len() as u64 <= LONGEST);

        assert_eq!(read(&log, length(&log) - 9), "line 1999");
        assert_eq!(read(&folder.path().join("none"), 0), "");
    }
}
