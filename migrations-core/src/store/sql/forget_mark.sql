UPDATE %table% SET in_flight_version = NULL, in_flight_statement = NULL, in_flight_file = NULL, in_flight_text = NULL WHERE %row%
