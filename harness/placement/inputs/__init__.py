"""Problems and rates from files, from known models and from seeds."""
