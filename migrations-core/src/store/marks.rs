//! The columns of the registry's rows that hold a mark.

use postgres::{Client, SimpleQueryMessage};

use super::claim::oid_sql;
use super::layout::Layout;
use super::lock::{codes, named_key};
use super::mark::{Mark, Marked};
use super::owner::Owner;
use crate::names::{Literal, OrNull};
use crate::set::MigrationSet;

/// A part of a guard's body. It raises if a migration has done a part of its work outside a transaction and is not one
/// of these later versions.
pub(crate) fn half_done(layout: &Layout, owner: Owner<'_>, later: &[i64]) -> String {
    let (table, row) = owner.row(layout);
    let later = later.iter().map(i64::to_string).collect::<Vec<_>>().join(", ");
    let hint = format!(
        "finish it first: with `-- migrate: no-transaction` on top of its file, or MigrationSet::no_transaction in \
         code, it continues after what is done, also under another version. If its changes were undone, clear the mark: {}",
        forget_mark(layout, owner)
    );
    layout.sql(
        include_str!("sql/half_done.sql"),
        &[
            ("table", &table),
            ("row", &row),
            ("schema", &Literal(owner.schema(layout))),
            ("later", &later),
            ("code", &codes::HALF_DONE),
            ("hint", &Literal(&hint)),
        ],
    )
}

/// The statement with which an operator lets a migration that runs outside a transaction start again from its
/// beginning.
pub(crate) fn forget_mark(layout: &Layout, owner: Owner<'_>) -> String {
    let (table, row) = owner.row(layout);
    layout.sql(include_str!("sql/forget_mark.sql"), &[("table", &table), ("row", &row)]).trim_end().to_owned()
}

/// Raises if another session runs a unit for this schema, or has run one since the mark was read. The row itself is
/// locked only at the end of the unit, because the application writes to it too.
pub(crate) fn claim_unit(layout: &Layout, owner: Owner<'_>, from: &Marked) -> String {
    let (table, row) = owner.row(layout);
    let key = named_key(layout, "unit", &Literal(owner.schema(layout)).to_string());
    layout.sql(
        include_str!("sql/claim_unit.sql"),
        &[
            ("key", &key),
            ("table", &table),
            ("row", &row),
            ("from", &from.to_sql()),
            ("busy", &codes::TENANT_BUSY),
            ("out_of_date", &codes::STALE),
        ],
    )
}

/// Replaces the mark of the schema, or raises if the mark has changed. After this, the row is about the existing
/// schema, with the first `applied` migrations applied.
pub(crate) fn replace_mark(
    layout: &Layout,
    owner: Owner<'_>,
    set: &MigrationSet,
    applied: usize,
    from: &Marked,
    to: &Mark,
) -> String {
    let schema = Literal(owner.schema(layout));
    let oid = oid_sql(&schema, None);
    let version = OrNull(set.version_at(applied));
    let digest = set.digest_at(applied).to_sql();
    let template = match owner {
        Owner::Tenant(_) => include_str!("sql/replace_mark_tenant.sql"),
        Owner::Registry | Owner::Shared => include_str!("sql/replace_mark_set.sql"),
    };
    layout.sql(
        template,
        &[
            ("name", &owner.set_name()),
            ("schema", &schema),
            ("version", &version),
            ("digest", &digest),
            ("oid", &oid),
            ("mark", &to.to_sql()),
            ("from", &from.to_sql()),
            ("out_of_date", &codes::STALE),
        ],
    )
}

/// Reads the mark with a simple query: the extended protocol leaves a portal open, and `CREATE INDEX CONCURRENTLY`
/// would wait for its snapshot.
pub(crate) fn read_mark(client: &mut Client, layout: &Layout, owner: Owner<'_>) -> Result<Marked, postgres::Error> {
    let (table, row) = owner.row(layout);
    let query = layout.sql(
        include_str!("sql/read_mark.sql"),
        &[("table", &table), ("row", &row), ("schema", &Literal(owner.schema(layout)))],
    );
    let messages = client.simple_query(&query)?;
    let row = messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    let column = |index| row.and_then(|row| row.get(index)).and_then(|number| number.parse().ok());
    let is_about_this_schema = row.is_some_and(|row| row.get(4) == Some("t"));
    let (Some(version), Some(done)) = (column(0), column(1)) else { return Ok(Marked::default()) };
    Ok(Marked { mark: Some(Mark { version, done, before: column(2), next: column(3) }), is_about_this_schema })
}
