CREATE PROCEDURE close_orders(before date) LANGUAGE plpgsql AS $$
BEGIN
    UPDATE orders SET status = 'shipped' WHERE placed_on < before;
    PERFORM pg_notify('orders', 'closed');
END $$;
CALL close_orders('2024-01-03');
