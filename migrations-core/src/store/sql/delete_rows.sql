DELETE FROM %history% WHERE version IN (%versions%)
