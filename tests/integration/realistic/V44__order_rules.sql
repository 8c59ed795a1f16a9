CREATE VIEW open_orders AS SELECT id, customer_id, total FROM orders WHERE status = 'new';
CREATE RULE open_orders_close AS ON DELETE TO open_orders DO INSTEAD
    UPDATE orders SET status = 'paid' WHERE orders.id = old.id;
COMMENT ON RULE open_orders_close ON open_orders IS 'an order is never deleted';
