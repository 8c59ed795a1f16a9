//! The schemas of the registry and of the shared tables, and the values of SQL templates.

use std::fmt::Display;

use crate::names::{Ident, SchemaName, TenantName, fill};
use crate::report::Error;

/// The beginning of every transaction of the framework's own. A snapshot older than the lock would let a stale plan
/// pass. Names in the statements mean PostgreSQL's own objects, even if somebody has created an operator or a function
/// in `public` that would match a call better.
pub(crate) const BEGINNING: [&str; 2] =
    ["SET TRANSACTION ISOLATION LEVEL READ COMMITTED", "SET LOCAL search_path = pg_catalog, pg_temp"];

/// The schemas that the framework uses.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub(crate) registry: SchemaName,
    pub(crate) shared: SchemaName,
}

impl Layout {
    /// A table of the registry, qualified and quoted.
    pub(crate) fn table(&self, name: &str) -> String {
        format!("{}.{}", Ident(self.registry.as_str()), Ident(name))
    }

    /// A statement: the template with the registry's tables and these values filled in.
    pub(super) fn sql(&self, template: &str, values: &[(&str, &dyn Display)]) -> String {
        let tables = ["sets", "tenants", "tenant_domains", "runs", "leases"].map(|name| (name, self.table(name)));
        let mut all: Vec<(&str, &dyn Display)> = tables.iter().map(|(name, table)| (*name, table as _)).collect();
        all.extend(values);
        fill(template, &all)
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.registry == self.shared {
            return Err(Error::OneSchema(self.registry.to_string()));
        }
        Ok(())
    }

    /// Refuses a tenant's name that the framework uses for a schema.
    pub(crate) fn check_tenant(&self, name: &TenantName) -> Result<(), Error> {
        if name.is_spare() {
            return Err(Error::NameInUse(name.clone(), "pool of spare schemas"));
        }
        for (schema, what) in [(&self.registry, "registry"), (&self.shared, "shared set")] {
            if schema.as_str() == name.as_str() {
                return Err(Error::NameInUse(name.clone(), what));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    /// Every placeholder of a statement is filled by the file that includes it, or names a table.
    #[test]
    #[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    fn every_place_of_every_statement_is_filled() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store");
        let files = |folder: &std::path::Path| {
            let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
            entries
                .filter(|path| path.is_file())
                .map(|path| {
                    let text = std::fs::read_to_string(&path).unwrap();
                    (path.file_name().unwrap().to_string_lossy().into_owned(), text)
                })
                .collect::<Vec<_>>()
        };
        let modules = files(&folder);
        for (name, sql) in files(&folder.join("sql")) {
            let users: Vec<_> = modules.iter().filter(|(_, text)| text.contains(&format!("sql/{name}\""))).collect();
            assert_eq!(users.len(), 1, "{name} is used by one module");
            let mut rest = sql.as_str();
            while let Some((_, behind)) = rest.split_once('%') {
                let length = behind.find(|c: char| !c.is_ascii_lowercase() && c != '_').unwrap_or(behind.len());
                let key = &behind[..length];
                let is_place = length > 0 && behind[length..].starts_with('%');
                let is_table = ["sets", "tenants", "tenant_domains", "runs", "leases"].contains(&key);
                assert!(
                    !is_place || is_table || users[0].1.contains(&format!("(\"{key}\", ")),
                    "{name}: nothing fills %{key}%"
                );
                rest = if is_place { &behind[length + 1..] } else { behind };
            }
        }
    }
}
