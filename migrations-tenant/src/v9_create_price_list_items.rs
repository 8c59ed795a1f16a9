//! `V9__create_price_list_items`: the price of a product on a price list, from a minimum quantity on.

use barrel::{Migration, backend::Pg, types};

/// The foreign keys are injected because those of barrel's `add_foreign_key` have neither a name nor an `ON DELETE`,
/// and an item has to be deleted with its price list and with its product.
pub(crate) fn sql() -> String {
    let mut migration = Migration::new();

    migration.create_table("price_list_items", |table| {
        table.add_column("price_list_id", types::custom("bigint"));
        table.add_column("product_id", types::custom("bigint"));
        table.add_column("min_quantity", types::custom("numeric(14, 3)").default(1_i64));
        table.add_column("unit_price", types::custom("numeric(19, 4)"));

        table.inject_custom(
            "CONSTRAINT price_list_items_price_list_id_fkey FOREIGN KEY (price_list_id) \
             REFERENCES price_lists (id) ON DELETE CASCADE",
        );
        table.inject_custom(
            "CONSTRAINT price_list_items_product_id_fkey FOREIGN KEY (product_id) \
             REFERENCES products (id) ON DELETE CASCADE",
        );
        table.inject_custom("CONSTRAINT price_list_items_min_quantity_check CHECK (min_quantity > 0)");
        table.inject_custom("CONSTRAINT price_list_items_unit_price_check CHECK (unit_price >= 0)");
        table.set_primary_key(&["price_list_id", "product_id", "min_quantity"]);
        table.add_index("price_list_items_product_id_idx", types::index(["product_id"]));
    });

    migration.make::<Pg>()
}

#[cfg(test)]
mod tests {
    /// refinery's checksum covers this text: a different text makes every existing tenant count as diverged.
    #[test]
    fn the_sql_is_still_what_was_applied() {
        assert_eq!(
            super::sql(),
            "CREATE TABLE \"price_list_items\" (\
             \"price_list_id\" bigint NOT NULL, \
             \"product_id\" bigint NOT NULL, \
             \"min_quantity\" numeric(14, 3) DEFAULT 1 NOT NULL, \
             \"unit_price\" numeric(19, 4) NOT NULL, \
             CONSTRAINT price_list_items_price_list_id_fkey FOREIGN KEY (price_list_id) \
             REFERENCES price_lists (id) ON DELETE CASCADE, \
             CONSTRAINT price_list_items_product_id_fkey FOREIGN KEY (product_id) \
             REFERENCES products (id) ON DELETE CASCADE, \
             CONSTRAINT price_list_items_min_quantity_check CHECK (min_quantity > 0), \
             CONSTRAINT price_list_items_unit_price_check CHECK (unit_price >= 0), \
             PRIMARY KEY (\"price_list_id\",\"product_id\",\"min_quantity\"));\
             CREATE  INDEX \"price_list_items_product_id_idx\" ON \"price_list_items\" (\"product_id\");"
        );
    }
}
