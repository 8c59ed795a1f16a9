//! Host names, and the tenants that they belong to.

use postgres::Client;
use postgres::types::{ToSql, Type};

use super::layout::Layout;
use super::registry::{check, rows_or_no_registry};
use super::tenants::{found, select};
use crate::names::TenantName;
use crate::report::{Error, Tenant};

/// The tenant that a host name belongs to.
pub(crate) fn find_by_domain(client: &mut Client, layout: &Layout, host: &str) -> Result<Option<Tenant>, Error> {
    let domains = layout.table("tenant_domains");
    let which = format!("WHERE t.id = (SELECT d.tenant_id FROM {domains} d WHERE d.domain = $1)");
    let rows = client.query_typed(&select(layout, &which), &[(&host, Type::TEXT)]);
    match rows_or_no_registry(rows, "looking for a domain's tenant")? {
        Some(rows) => rows.first().map(|row| found(layout, row).map(|found| found.tenant)).transpose(),
        None => check(client, layout).map(|()| None),
    }
}

/// Adds a domain to a tenant, or makes one of its domains the primary one. Doing it again changes nothing.
pub(crate) fn add_domain(
    client: &mut Client,
    layout: &Layout,
    name: &TenantName,
    host: &str,
    primary: bool,
) -> Result<(), Error> {
    let doing = |error| Error::from_driver(format!("adding domain {host} to tenant {name}"), &error);
    let mut transaction = client.transaction().map_err(doing)?;
    let tenant = layout.sql(include_str!("sql/tenant_id.sql"), &[]);
    let rows = transaction.query_typed(&tenant, &[(&name.as_str(), Type::TEXT)]).map_err(doing)?;
    let id: i64 = rows.first().map(|row| row.get(0)).ok_or_else(|| Error::UnknownTenant(name.clone()))?;
    let parameters: [(&(dyn ToSql + Sync), Type); 3] = [(&id, Type::INT8), (&host, Type::TEXT), (&primary, Type::BOOL)];
    let demote = layout.sql(include_str!("sql/demote_domains.sql"), &[]);
    transaction.query_typed(&demote, &parameters).map_err(doing)?;
    let add = layout.sql(include_str!("sql/add_domain.sql"), &[]);
    if transaction.query_typed(&add, &parameters).map_err(doing)?.is_empty() {
        let owner = layout.sql(include_str!("sql/domain_owner.sql"), &[]);
        let rows = transaction.query_typed(&owner, &[(&host, Type::TEXT)]).map_err(doing)?;
        let tenant = rows.first().map(|row| row.get(0)).unwrap_or_default();
        return Err(Error::DomainTaken { domain: host.to_owned(), tenant });
    }
    transaction.commit().map_err(doing)
}
