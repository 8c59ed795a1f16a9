//! The reference application's shared set: the tables that exist once, next to the tenants' schemas. It belongs to a
//! wholesale-trade service and is a template: copy this crate, rename it, replace `migrations/` and the Rust migration
//! with your own, and keep the rest.
//!
//! What to change when copying:
//!
//! - the package's name, and `migrations/`, whose first version is yours. Files are named
//!   `V{version}__{snake_name}.sql` and lie flat in the folder; SQL that was applied anywhere never changes again.
//! - the `with_migration` lines in [`set`]: one for each migration written in Rust, none when all are SQL. A Rust
//!   migration's version must not be a file's as well.
//! - nothing in `build.rs`: without it, cargo does not notice a file that was added.
//!
//! What the set's SQL relies on:
//!
//! - It runs with the shared schema (`public`, unless configured otherwise) as its search path, so names are
//!   unqualified. It runs inside a transaction it neither begins nor ends.
//! - A tenant is known by its schema's name, as text. Nothing here depends on a tenant's tables.
//!
//! The tenants' own tables are the business of the tenant set; when and how either is applied is `migrations-core`'s.

use include_dir::{Dir, include_dir};
use migrations_core::{Error, MigrationSet};

mod v6_create_invitations;

static MIGRATIONS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/migrations");

/// The shared set, compiled into the binary: the SQL files and the Rust migrations in the order of their versions.
///
/// # Errors
///
/// When a migration is misnamed, shares its version with another, has an unknown directive, or holds a statement that
/// would break out of its transaction. The set is fixed when it is compiled, so one test that calls this rules it out.
///
/// # Example
///
/// ```
/// let shared = migrations_shared::set()?;
/// assert_eq!(shared.name().as_str(), "shared");
/// # Ok::<(), migrations_core::Error>(())
/// ```
pub fn set() -> Result<MigrationSet, Error> {
    MigrationSet::from_dir("shared", &MIGRATIONS)?.with_migration("V6__create_invitations", v6_create_invitations::sql)
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_migration_of_the_set_is_well_formed() -> Result<(), migrations_core::Error> {
        super::set().map(drop)
    }
}
