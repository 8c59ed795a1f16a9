//! Whether the tenants have the migrations of this binary: asked in the statements that a sign-up sends anyway.

use super::layout::Layout;
use crate::names::{is_spare_sql, is_unfinished_sql};
use crate::set::{Digest, MigrationSet};

/// The tenants that were registered last, as a subquery: the name of each, and whether its state is one of the set's.
/// Left out are tenants that a newer binary has migrated, and those whose state the registry does not know. So it costs
/// the same however many tenants there are.
pub(super) fn latest_tenants(layout: &Layout, set: &MigrationSet) -> String {
    let known = set.digests().iter().copied().map(Digest::to_sql).map(|digest| digest.to_string());
    let known = known.collect::<Vec<_>>().join(",");
    layout.sql(
        include_str!("sql/latest_tenants.sql"),
        &[
            ("known", &known),
            ("latest", &set.latest().unwrap_or(i64::MIN)),
            ("is_spare", &is_spare_sql("schema_name")),
            ("is_unfinished", &is_unfinished_sql("schema_name")),
        ],
    )
}

/// A subquery with the same columns and no row, for a question that is not about this.
pub(super) fn no_tenants() -> &'static str {
    "(SELECT NULL::text AS name, NULL::bool AS is_known WHERE false)"
}

/// The condition that at least half of the tenants that were registered last have other migrations than the set.
pub(super) fn is_diverged(layout: &Layout, set: &MigrationSet) -> String {
    layout.sql(include_str!("sql/is_diverged.sql"), &[("latest_tenants", &latest_tenants(layout, set).trim_end())])
}
