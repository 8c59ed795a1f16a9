-- migrate: no-transaction
--
-- The largest tables of a tenant: an ordinary CREATE INDEX would keep orders from being written while it runs. Without
-- these two, deleting a product reads every order line there is. The third finds what is overdue; paid invoices, most
-- of them, are left out.

CREATE INDEX CONCURRENTLY purchase_order_lines_product_id_idx ON purchase_order_lines (product_id);

CREATE INDEX CONCURRENTLY sales_order_lines_product_id_idx ON sales_order_lines (product_id);

CREATE INDEX CONCURRENTLY invoices_due_on_idx ON invoices (due_on) WHERE paid_on IS NULL;
