//! An integration test's set-up: a database of its own, with two tenants that are up to date.
//!
//! ```sh
//! cargo run --example fixture
//! ```

use migrations_testing::TestDatabase;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let test = TestDatabase::migrated(&migrate::migrator()?, &["acme", "globex"])?;
    let row = test.client()?.query_one("SELECT count(*) FROM acme.payment_terms", &[])?;
    println!("acme starts with {} payment terms", row.get::<_, i64>(0));
    Ok(())
}
