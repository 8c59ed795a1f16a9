//! An application's start-up: bring the database to the state that this binary expects, then serve.
//!
//! ```sh
//! DATABASE_URL=postgres://localhost/app cargo run --example startup
//! ```

use migrations_core::{Database, Error, Migrator, TenantName};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let migrator = migrate::migrator()?;
    let database = Database::from_env()?;

    let report = migrator.run(&database)?;
    for failure in &report.failures {
        eprintln!("{failure}");
    }
    println!(
        "{} tenants, {} migrated, {} failed",
        report.tenants.total, report.tenants.migrated, report.tenants.failed
    );

    let name: TenantName = "acme".parse()?;
    sign_up(&migrator, &database, &name)?;
    Ok(())
}

/// A request that needs a tenant calls this. A second call, even at the same time, creates no second tenant.
fn sign_up(migrator: &Migrator, database: &Database, name: &TenantName) -> Result<(), Error> {
    let (tenant, created) = migrator.get_or_create_tenant(database, name)?;
    println!("tenant {} has number {}{}", tenant.name, tenant.id, if created { ", new" } else { "" });
    Ok(())
}
