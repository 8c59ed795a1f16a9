//! Which form of a migration's text has a checksum that was recorded: a file whose white space alone has changed still
//! does the same.

use std::fmt::Write;

use super::migration::{Migration, checksum};

/// How the text with the recorded checksum differs from the migration's own, as in `with Windows line ends`; `None` if
/// no form that was tried has it. A database keeps checksums and no texts.
pub(crate) fn variant(migration: &Migration, recorded_name: &str, recorded: u64) -> Option<String> {
    let written = migration.written();
    let has_it = |text: &str| {
        let narrow = i32::try_from(migration.version()).ok();
        checksum(recorded_name, migration.version(), text) == recorded
            || narrow.is_some_and(|version| checksum(recorded_name, version, text) == recorded)
    };
    if has_it(written) {
        return Some("unchanged".to_owned());
    }
    for (ends, of_ends) in ENDS {
        for (lines, of_lines) in LINES {
            for (breaks, of_breaks) in BREAKS {
                for (start, of_start) in STARTS {
                    if has_it(&start(&breaks(&ends(&lines(written))))) {
                        let mut text = String::new();
                        for part in [of_breaks, of_ends, of_lines, of_start].into_iter().filter(|part| !part.is_empty())
                        {
                            let _ = write!(text, "{}{part}", if text.is_empty() { "" } else { ", " });
                        }
                        return Some(text);
                    }
                }
            }
        }
    }
    None
}

type Change = (fn(&str) -> String, &'static str);

const ENDS: [Change; 4] = [
    (str::to_owned, ""),
    (|text| text.trim_end().to_owned(), "without a line end at the end"),
    (|text| text.trim_end().to_owned() + "\n", "with one line end at the end"),
    (|text| text.trim_end().to_owned() + "\n\n", "with an empty line at the end"),
];

const LINES: [Change; 2] = [
    (str::to_owned, ""),
    (
        |text| text.split('\n').map(str::trim_end).collect::<Vec<_>>().join("\n"),
        "without white space at the ends of lines",
    ),
];

const BREAKS: [Change; 2] = [(str::to_owned, ""), (|text| text.replace('\n', "\r\n"), "with Windows line ends")];

const STARTS: [Change; 2] = [
    (str::to_owned, ""),
    (
        |text| text.strip_prefix('\u{feff}').map_or_else(|| format!("\u{feff}{text}"), str::to_owned),
        "with the byte order mark added or left out",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::set::MigrationSet;

    fn migration(sql: &str) -> Migration {
        let set = MigrationSet::new("tenant").and_then(|set| set.with_sql("V7__a", sql));
        set.unwrap_or_else(|error| unreachable!("{error}")).migrations()[0].clone()
    }

    #[test]
    fn white_space_is_told_from_a_change() {
        let ours = migration("SELECT 1;  \nSELECT 2;\n");
        let found = |text: &str| variant(&ours, "a", checksum("a", 7_i64, text));
        assert_eq!(found("SELECT 1;  \nSELECT 2;\n").as_deref(), Some("unchanged"));
        assert_eq!(found("SELECT 1;  \r\nSELECT 2;\r\n").as_deref(), Some("with Windows line ends"));
        assert_eq!(found("SELECT 1;  \nSELECT 2;").as_deref(), Some("without a line end at the end"));
        assert_eq!(found("SELECT 1;\nSELECT 2;\n").as_deref(), Some("without white space at the ends of lines"));
        let both = "with Windows line ends, without a line end at the end, without white space at the ends of lines";
        assert_eq!(found("SELECT 1;\r\nSELECT 2;").as_deref(), Some(both));
        let mark = found("\u{feff}SELECT 1;  \nSELECT 2;\n");
        assert_eq!(mark.as_deref(), Some("with the byte order mark added or left out"));
        assert_eq!(found("SELECT 1;\nSELECT 3;\n"), None);
    }

    #[test]
    fn a_migration_that_was_renamed_alone_is_recognised_also_with_a_narrow_version() {
        let ours = migration("SELECT 1");
        assert_eq!(variant(&ours, "old", checksum("old", 7_i64, "SELECT 1")).as_deref(), Some("unchanged"));
        assert_eq!(variant(&ours, "old", checksum("old", 7_i32, "SELECT 1")).as_deref(), Some("unchanged"));
        assert_eq!(checksum("a", 7_i64, "SELECT 1"), ours.checksum());
    }
}
