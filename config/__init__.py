"""Settings: the schema, and the YAML that ships."""
