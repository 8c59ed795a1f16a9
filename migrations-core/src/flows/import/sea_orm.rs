//! sea-orm-migration: <https://docs.rs/sea-orm-migration>, `seaql_migrations`.
//!
//! The version is the name of the file, as in `m20220101_000001_create_users`. Its date and number make a version of
//! the set, `20220101000001`, and the rest the name.

use super::foreign::{Foreign, History, Row, Source, as_name, column};
use crate::report::Refusal;

pub(super) const SOURCE: Source = Source {
    table: "seaql_migrations",
    columns: &["version", "applied_at"],
    select: "version::text, NULL::text, NULL::text, NULL::text",
    order: "version",
    read,
};

fn read(rows: &[Row]) -> Result<History, Refusal> {
    let applied = rows.iter().map(|row| column(row, 0, "version").map(foreign));
    Ok(History { applied: applied.collect::<Result<_, _>>()?, left_out: Vec::new() })
}

fn foreign(file: &str) -> Foreign {
    let rest = file.strip_prefix('m').unwrap_or(file);
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(rest.len());
    let (number, name) = rest.split_at(end);
    let digits: String = number.chars().filter(char::is_ascii_digit).collect();
    let names = [as_name(name), as_name(file)].into_iter().filter(|name| !name.is_empty());
    Foreign {
        id: file.to_owned(),
        version: digits.parse().into_iter().collect(),
        names: names.collect(),
        ..Foreign::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_a_number_and_a_name() {
        let found = foreign("m20220101_000001_create_users");
        assert_eq!(found.number(), Some(20_220_101_000_001));
        assert!(found.is_called("create_users") && found.is_called("m20220101_000001_create_users"));
        assert_eq!(foreign("init").version, []);
    }
}
