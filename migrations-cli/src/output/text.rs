//! The layout of text for people: tables, counts, durations, and one text for a failure that many tenants share.

use std::collections::HashMap;
use std::time::Duration;

use comfy_table::presets::NOTHING;
use comfy_table::{Attribute, Cell, CellAlignment, Color, ContentArrangement, Table};
use migrations_core::Failure;

use super::Paper;
use crate::advice::Advice;

/// A table's column.
#[derive(Clone, Copy)]
pub(crate) enum Column {
    Text(&'static str),
    Number(&'static str),
}

/// A table without borders; without a terminal it is as wide as its content.
pub(crate) fn table(paper: &Paper, columns: &[Column], rows: impl IntoIterator<Item = Vec<Cell>>) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    if !paper.terminal {
        table.force_no_tty();
    }
    if paper.color {
        table.enforce_styling();
    }
    let header = |column: &Column| {
        let (Column::Text(title) | Column::Number(title)) = column;
        let cell = Cell::new(title);
        if paper.color { cell.add_attribute(Attribute::Bold) } else { cell }
    };
    table.set_header(columns.iter().map(header));
    table.add_rows(rows);
    for (column, style) in columns.iter().zip(table.column_iter_mut()) {
        style.set_padding((0, 2));
        if matches!(column, Column::Number(_)) {
            style.set_cell_alignment(CellAlignment::Right);
        }
    }
    lines(&table)
}

/// The lines without the blanks that fill the last column.
fn lines(table: &Table) -> String {
    table.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

/// A cell with the name of a state, in the state's colour.
pub(crate) fn state(paper: &Paper, state: &str) -> Cell {
    let color = match state {
        "current" | "created" | "migrated" => Color::Green,
        "behind" | "busy" => Color::Yellow,
        "ahead" => Color::Cyan,
        "diverged" | "missing" | "failed" => Color::Red,
        _ => Color::Reset,
    };
    let cell = Cell::new(state);
    if paper.color { cell.fg(color) } else { cell }
}

/// A version, or a dash where there is none.
pub(crate) fn version(version: Option<i64>) -> String {
    version.map_or_else(|| "-".to_owned(), |version| version.to_string())
}

/// A tenant's name, with its schema's where the two differ.
pub(crate) fn tenant(name: &str, schema: &str) -> String {
    if name == schema { name.to_owned() } else { format!("{name} (schema {})", printable(schema)) }
}

/// A schema's name, which can hold anything, with control characters escaped.
pub(crate) fn printable(schema: &str) -> String {
    let escaped = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    schema.chars().map(escaped).collect()
}

/// `1 tenant`, `2 tenants`.
pub(crate) fn tenants(count: usize) -> String {
    if count == 1 { "1 tenant".to_owned() } else { format!("{count} tenants") }
}

/// The counts that are not zero, as in `2 created, 98 current`.
pub(crate) fn counts<'a>(counts: impl IntoIterator<Item = (usize, &'a str)>) -> String {
    let counts: Vec<String> =
        counts.into_iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    counts.join(", ")
}

/// A duration for people: `85 ms`, `1.3 s`, `4m 10s`.
pub(crate) fn elapsed(duration: Duration) -> String {
    if duration < Duration::from_secs(1) {
        format!("{} ms", duration.as_millis())
    } else if duration < Duration::from_mins(1) {
        format!("{:.1} s", duration.as_secs_f64())
    } else {
        humantime::format_duration(Duration::from_secs(duration.as_secs())).to_string()
    }
}

/// An estimated duration, in whole seconds: `40 s`, `4m 10s`.
pub(crate) fn about(duration: Duration) -> String {
    match duration.as_secs() + u64::from(duration.subsec_nanos() > 0) {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds => humantime::format_duration(Duration::from_secs(seconds)).to_string(),
    }
}

/// A timestamp without fractions of a second.
pub(crate) fn moment(rfc3339: &str) -> String {
    match rfc3339.split_once('.') {
        Some((seconds, _)) => format!("{seconds}Z"),
        None => rfc3339.to_owned(),
    }
}

/// The most names in one line.
const MOST_NAMES: usize = 10;

/// Names in one line: the first few, and the number of the others.
pub(crate) fn names(names: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let names: Vec<_> = names.into_iter().collect();
    let shown = names.iter().take(MOST_NAMES).map(AsRef::as_ref).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(MOST_NAMES) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// Every failure in full. A failure that a thousand tenants share appears once, with the names of the tenants.
pub(crate) fn failures(failures: &[Failure], advice: &Advice) -> Vec<String> {
    let mut groups: Vec<Vec<&Failure>> = Vec::new();
    let mut known: HashMap<String, usize> = HashMap::new();
    for failure in failures {
        let cause = format!("{:?} {:?} {:?}", failure.migration(), failure.excerpt(), failure.reason());
        let group = *known.entry(cause).or_insert(groups.len());
        if group == groups.len() {
            groups.push(Vec::new());
        }
        groups[group].push(failure);
    }
    groups.iter().map(|group| shared_failure(group, advice)).collect()
}

fn shared_failure(group: &[&Failure], advice: &Advice) -> String {
    let Some((first, others)) = group.split_first() else { return String::new() };
    if others.is_empty() {
        return advice.failure(first);
    }
    let others = others.iter().filter_map(|failure| Some((failure.tenant()?.as_str(), failure.schema()?.as_str())));
    let others_names = names(others.map(|(name, schema)| tenant(name, schema)));
    format!("{}\n   = note: the same for {others_names}", advice.shared_failure(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_as_exact_as_it_is_useful() {
        let texts = [85, 1_340, 250_900].map(|ms| elapsed(Duration::from_millis(ms)));
        assert_eq!(texts, ["85 ms", "1.3 s", "4m 10s"]);
        let texts = [85, 40_000, 250_900].map(|ms| about(Duration::from_millis(ms)));
        assert_eq!(texts, ["1 s", "40 s", "4m 11s"]);
    }

    #[test]
    fn counts_leave_out_what_did_not_happen() {
        assert_eq!(counts([(2, "created"), (0, "failed"), (98, "current")]), "2 created, 98 current");
        assert_eq!([0, 1, 2].map(tenants), ["0 tenants", "1 tenant", "2 tenants"]);
    }

    #[test]
    fn of_many_names_the_first_few_are_shown() {
        assert_eq!(names(["a", "b"]), "a, b");
        assert_eq!(names(["x"; 12]), format!("{} and 2 more", ["x"; 10].join(", ")));
    }

    #[test]
    fn colour_is_there_only_when_it_is_asked_for() {
        let paper = |color| Paper { program: "x".to_owned(), color, terminal: false };
        let shown = |color| {
            let paper = paper(color);
            table(&paper, &[Column::Text("STATE"), Column::Number("N")], [vec![state(&paper, "failed"), Cell::new(1)]])
        };
        assert_eq!(shown(false), "STATE   N\nfailed  1\n");
        assert!(shown(true).contains("\x1b["));
    }
}
