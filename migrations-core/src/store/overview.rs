//! Where every schema stands, in one query, before any lock.

use postgres::types::{ToSql, Type};
use postgres::{Client, Row};

use super::claim::Claim;
use super::divergence::{latest_tenants, no_tenants};
use super::layout::Layout;
use super::registry::rows_or_no_registry;
use crate::names::{Member, TenantName, is_spare_sql, is_unfinished_sql};
use crate::report::{Error, UnusableRow};
use crate::set::{Digest, MigrationSet};

/// The number of tenants in one page of a plan, so that memory does not grow with the fleet.
pub(crate) const PAGE: i64 = 1_000;

/// The question.
#[derive(Clone, Copy)]
pub(crate) struct Question<'a> {
    /// The state of a tenant that is up to date.
    pub(crate) latest: Digest,
    /// Only these tenants; all if it is empty.
    pub(crate) only: &'a [TenantName],
    /// Names that must not be registered.
    pub(crate) names: &'a [TenantName],
    /// Extensions that may be missing.
    pub(crate) extensions: &'a [String],
    /// Whether tenants have other migrations than this set; `None`: not asked.
    pub(crate) diverged_from: Option<&'a MigrationSet>,
    /// Whether the question belongs to a sign-up.
    pub(crate) for_sign_up: bool,
    /// Whether new tenants will be created in any case.
    pub(crate) for_new_tenants: bool,
    /// Only tenants after this id.
    pub(crate) after: i64,
    /// Also tenants that are up to date.
    pub(crate) all: bool,
    /// At most this many tenants.
    pub(crate) limit: i64,
}

impl Question<'_> {
    /// A page of the tenants that are not up to date.
    pub(crate) fn new(set: &MigrationSet) -> Self {
        Self {
            latest: set.digest(),
            only: &[],
            names: &[],
            extensions: &[],
            diverged_from: None,
            for_sign_up: false,
            for_new_tenants: false,
            after: 0,
            all: false,
            limit: PAGE,
        }
    }

    /// Only about the registry and the shared set.
    pub(crate) fn about_no_tenant(set: &MigrationSet) -> Self {
        Self { after: i64::MAX, limit: 0, ..Self::new(set) }
    }
}

/// The answer.
#[derive(Debug, Default)]
pub(crate) struct Overview {
    pub(crate) registry: Claim,
    pub(crate) shared: Claim,
    /// The number of tenants, and of those that are not up to date.
    pub(crate) total: usize,
    pub(crate) pending: usize,
    /// The number of spare schemas, and of those that are not up to date.
    pub(crate) spares: usize,
    pub(crate) pending_spares: usize,
    /// Tables that a current registry has and this one lacks.
    pub(crate) missing: Vec<String>,
    /// The extensions in question that are missing.
    pub(crate) missing_extensions: Vec<String>,
    /// The number of new tenants' schemas that are not finished: they are being created, or a crash left them.
    pub(crate) unfinished: usize,
    /// Whether a tenant that is up to date still has an error recorded.
    pub(crate) stale_errors: bool,
    pub(crate) tenants: Vec<TenantClaim>,
    /// Rows with a name or a schema that no tenant can have.
    pub(crate) unusable: Vec<UnusableRow>,
    /// The last row's id, and whether the page is full.
    pub(crate) last_id: Option<i64>,
    pub(crate) is_full: bool,
    pub(crate) absent: Vec<TenantName>,
    pub(crate) divergence: Divergent,
}

/// The tenants that were registered last, and how many of them have other migrations than the set.
#[derive(Debug, Default)]
pub(crate) struct Divergent {
    pub(crate) diverged: usize,
    pub(crate) of: usize,
    /// One of them.
    pub(crate) example: String,
}

/// What the registry says of a tenant.
#[derive(Clone, Debug)]
pub(crate) struct TenantClaim {
    pub(crate) id: i64,
    pub(crate) member: Member,
    pub(crate) claim: Claim,
    pub(crate) status: String,
    pub(crate) last_error: Option<String>,
}

/// Asks for the overview. `None` if there is no registry yet, or if an older binary created it and it lacks a column of
/// the query.
pub(crate) fn overview(
    client: &mut Client,
    layout: &Layout,
    question: &Question<'_>,
) -> Result<Option<Overview>, Error> {
    let latest_tenants =
        question.diverged_from.map_or_else(|| no_tenants().to_owned(), |set| latest_tenants(layout, set));
    let query = layout.sql(
        include_str!("sql/overview.sql"),
        &[
            ("is_spare", &is_spare_sql("t.schema_name")),
            ("is_unfinished", &is_unfinished_sql("t.schema_name")),
            ("latest_tenants", &latest_tenants.trim_end()),
        ],
    );
    let text = |names: &[TenantName]| names.iter().map(|name| name.as_str().to_owned()).collect::<Vec<_>>();
    let only = Some(text(question.only)).filter(|names| !names.is_empty());
    let mut names = text(question.only);
    names.extend(text(question.names));
    let parameters: [(&(dyn ToSql + Sync), Type); 9] = [
        (&question.latest.to_sql(), Type::INT8),
        (&only, Type::TEXT_ARRAY),
        (&layout.registry.as_str(), Type::TEXT),
        (&layout.shared.as_str(), Type::TEXT),
        (&names, Type::TEXT_ARRAY),
        (&question.after, Type::INT8),
        (&question.all, Type::BOOL),
        (&question.limit, Type::INT8),
        (&question.extensions, Type::TEXT_ARRAY),
    ];
    match rows_or_no_registry(client.query_typed(&query, &parameters), "planning")? {
        Some(rows) => read(&rows, layout, question.limit).map(Some),
        None => Ok(None),
    }
}

fn read(rows: &[Row], layout: &Layout, limit: i64) -> Result<Overview, Error> {
    let mut overview = Overview { tenants: Vec::with_capacity(rows.len()), ..Overview::default() };
    let count = |number: Option<i64>| number.and_then(|n| usize::try_from(n).ok()).unwrap_or_default();
    for row in rows {
        match row.get::<_, &str>(0) {
            "set" if row.get::<_, Option<&str>>(7) == Some("off") => return Err(Error::BackslashesEscape),
            "set" if row.get::<_, &str>(2) == "registry" => overview.registry = Claim::read(row, 3),
            "set" => overview.shared = Claim::read(row, 3),
            "count" => {
                overview.total = count(row.get(1));
                overview.pending = count(row.get(3));
                overview.stale_errors = count(row.get(4)) > 0;
            }
            "spares" => {
                overview.spares = count(row.get(1));
                overview.pending_spares = count(row.get(3));
            }
            "missing" => overview.missing.push(row.get::<_, &str>(2).to_owned()),
            "diverged" => {
                overview.divergence = Divergent {
                    diverged: count(row.get(1)),
                    of: count(row.get(3)),
                    example: row.get::<_, Option<String>>(2).unwrap_or_default(),
                };
            }
            "unfinished" => overview.unfinished = count(row.get(1)),
            "extension" => overview.missing_extensions.push(row.get::<_, &str>(2).to_owned()),
            "absent" => overview.absent.push(row.get::<_, &str>(2).parse()?),
            _ => {
                let id = row.get(1);
                overview.last_id = Some(id);
                let schema: &str = row.get(2);
                match layout.registered(row.get(9), schema) {
                    Ok(member) => overview.tenants.push(TenantClaim {
                        id,
                        member,
                        claim: Claim::read(row, 3),
                        status: row.get::<_, Option<String>>(7).unwrap_or_default(),
                        last_error: row.get(8),
                    }),
                    Err(error) => {
                        let schema = schema.to_owned();
                        overview.unusable.push(UnusableRow::new(&layout.table("tenants"), id, schema, &error));
                    }
                }
            }
        }
    }
    let read = overview.tenants.len() + overview.unusable.len();
    overview.is_full = i64::try_from(read).is_ok_and(|read| read >= limit);
    Ok(overview)
}

impl Divergent {
    /// Whether at least half of the tenants have other migrations.
    pub(crate) fn is_most(&self) -> bool {
        self.diverged > 0 && self.diverged * 2 >= self.of
    }
}

impl Overview {
    /// Whether a tenant is behind or will be created, so that the extensions of its set are needed. Also if there is no
    /// tenant yet: the operator who deploys learns about a missing extension before the first sign-up does.
    pub(crate) fn needs_extensions(&self, question: &Question<'_>, warm_pool: usize) -> bool {
        self.total == 0
            || self.pending + self.pending_spares > 0
            || !self.absent.is_empty()
            || self.spares < warm_pool
            || question.for_new_tenants
    }

    /// Whether the registry has the tables that its own history lists.
    pub(crate) fn check(&self, registry: &MigrationSet, layout: &Layout) -> Result<(), Error> {
        if self.missing.is_empty() || !self.registry.is_current(registry) {
            return Ok(());
        }
        let missing = self.missing.iter().map(|table| layout.table(table)).collect();
        Err(Error::RegistryDamaged { schema: layout.registry.to_string(), missing })
    }
}
