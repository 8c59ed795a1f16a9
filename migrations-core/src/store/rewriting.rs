//! What makes a history say something else: the one way in which rows are written that no migration has just earned,
//! for a baseline, a repair, or the history of another tool.

use std::fmt::Write;

use super::history::{HISTORY, HistoryRow, create_history, table};
use super::layout::Layout;
use super::lock::codes;
use crate::names::{Literal, fill};

/// The statements after which the schema's history has exactly the rows of `after`, if it had those of `before`. Both
/// are in the order of their versions. Rows that stay keep the time at which they were written.
pub(crate) fn rewrite_history(schema: &str, before: &[HistoryRow], after: &[HistoryRow]) -> Vec<String> {
    let history = table(schema);
    let in_ = |rows: &[HistoryRow], version: i64| rows.iter().position(|row| row.version == version);
    let mut statements = vec![create_history(schema)];
    let gone: Vec<String> =
        before.iter().filter(|row| in_(after, row.version).is_none()).map(|row| row.version.to_string()).collect();
    if !gone.is_empty() {
        let versions = gone.join(", ");
        statements.push(fill(include_str!("sql/delete_rows.sql"), &[("history", &history), ("versions", &versions)]));
    }
    let mut new = Vec::new();
    for row in after {
        match in_(before, row.version) {
            None => new.push(format!("({}, {}, '{}')", row.version, Literal(&row.name), row.checksum)),
            Some(at) if before[at] == *row => {}
            Some(_) => statements.push(fill(
                include_str!("sql/update_row.sql"),
                &[
                    ("history", &history),
                    ("version", &row.version),
                    ("name", &Literal(&row.name)),
                    ("checksum", &row.checksum),
                ],
            )),
        }
    }
    if !new.is_empty() {
        let rows = new.join(", ");
        statements.push(fill(include_str!("sql/insert_rows.sql"), &[("history", &history), ("rows", &rows)]));
    }
    statements
}

/// A part of a guard's body. It raises if the schema's history no longer has exactly these rows.
pub(crate) fn unless_history(layout: &Layout, schema: &str, rows: &[HistoryRow]) -> String {
    let lines = rows.iter().map(|row| format!("{} {} {}", row.version, row.name, row.checksum)).collect::<Vec<_>>();
    // The names come from a table that anybody may have written; in this form, they cannot end the block.
    let expected = lines.join("\n").bytes().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    layout.sql(
        include_str!("sql/unless_history.sql"),
        &[
            ("schema", &Literal(schema)),
            ("table", &Literal(HISTORY)),
            ("history", &table(schema)),
            ("expected", &expected),
            ("out_of_date", &codes::STALE),
        ],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(version: i64, name: &str, checksum: u64) -> HistoryRow {
        HistoryRow { version, name: name.to_owned(), checksum }
    }

    #[test]
    fn only_what_differs_is_written() {
        let before = [row(1, "a", 1), row(2, "b", 2), row(3, "c", 3)];
        let after = [row(1, "a", 1), row(2, "it's", 7), row(4, "d", 4)];
        let statements = rewrite_history("acme", &before, &after);
        let [create, delete, update, insert] = &statements[..] else { unreachable!("{statements:?}") };
        assert!(create.starts_with("CREATE TABLE IF NOT EXISTS"), "{create}");
        assert!(delete.trim_end().ends_with("WHERE version IN (3)"), "{delete}");
        assert!(update.contains("name = 'it''s', checksum = '7' WHERE version = 2"), "{update}");
        assert!(insert.contains("(VALUES (4, 'd', '4'))"), "{insert}");
        assert_eq!(rewrite_history("acme", &before, &before).len(), 1);
    }
}
