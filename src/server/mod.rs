//! The building: sockets, TLS, who is calling, limits, deadlines, health, reflection, metrics, shutdown.
