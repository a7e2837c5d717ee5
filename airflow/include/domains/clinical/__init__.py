"""The clinical domain of Watershed: contracts of case report forms, and a sample study."""
