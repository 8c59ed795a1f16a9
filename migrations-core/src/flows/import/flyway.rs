//! Flyway: <https://documentation.red-gate.com/fd/flyway-schema-history-table-273973417.html>,
//! `flyway_schema_history`.
//!
//! The newest row of a version counts: an undo and a deletion take it back, `success = false` means that a statement
//! failed outside a transaction. A baseline stands for every version up to its own. Repeatable migrations (`R__`) have
//! no version, and neither has the row for a schema that Flyway created.

use super::foreign::{Checksum, Foreign, History, Row, Source, as_name, column, parts};
use crate::report::Refusal;

pub(super) const SOURCE: Source = Source {
    table: "flyway_schema_history",
    columns: &["installed_rank", "version", "description", "type", "script", "checksum", "success"],
    select: "version::text, description::text, type::text || ' ' || success::text, checksum::text",
    order: "installed_rank",
    read,
};

fn read(rows: &[Row]) -> Result<History, Refusal> {
    let mut history = History::default();
    for row in rows {
        let (kind, success) = column(row, 2, "type")?.rsplit_once(' ').unwrap_or_default();
        let Some(version) = row[0].as_deref() else {
            history.left_out.extend(row[1].clone().filter(|_| kind != "SCHEMA"));
            continue;
        };
        if success != "true" {
            return Err(Refusal::Unfinished { foreign: version.to_owned() });
        }
        let number = parts(version);
        history.applied.retain(|known: &Foreign| known.id != version && (number.is_empty() || known.version != number));
        if !kind.starts_with("UNDO") && kind != "DELETE" {
            history.applied.push(foreign(version, number, kind, row));
        }
    }
    history.left_out.sort_unstable();
    history.left_out.dedup();
    Ok(history)
}

fn foreign(version: &str, number: Vec<i64>, kind: &str, row: &Row) -> Foreign {
    let covers = kind.ends_with("BASELINE");
    Foreign {
        id: version.to_owned(),
        description: row[1].clone(),
        version: number,
        // The description of a baseline is not a file's.
        names: row[1].iter().filter(|_| !covers).map(|text| as_name(text)).collect(),
        checksum: row[3].as_deref().filter(|_| kind == "SQL").and_then(|text| text.parse().ok()).map(Checksum::Crc32),
        covers,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(version: Option<&str>, description: &str, kind: &str) -> Row {
        [version.map(str::to_owned), Some(description.to_owned()), Some(kind.to_owned()), None]
    }

    #[test]
    fn the_newest_row_of_a_version_counts() {
        let rows = [
            row(None, "<< Flyway Schema Creation >>", "SCHEMA true"),
            row(Some("1"), "a", "BASELINE true"),
            row(Some("1.1"), "b", "SQL true"),
            row(Some("2"), "c", "SQL true"),
            row(Some("2"), "c", "UNDO_SQL true"),
            row(None, "views", "SQL true"),
            row(None, "views", "SQL true"),
        ];
        let history = read(&rows).unwrap_or_default();
        let found: Vec<_> = history.applied.iter().map(|known| (known.id.as_str(), known.covers)).collect();
        assert_eq!((found, history.left_out), (vec![("1", true), ("1.1", false)], vec!["views".to_owned()]));
    }

    #[test]
    fn a_failed_row_is_refused() {
        let refused = read(&[row(Some("1"), "a", "SQL true"), row(Some("2"), "b", "SQL false")]);
        assert_eq!(refused, Err(Refusal::Unfinished { foreign: "2".to_owned() }));
    }
}
