UPDATE %history% SET name = %name%, checksum = '%checksum%' WHERE version = %version%
