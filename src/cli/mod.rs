//! The hands: commands for people, speaking gRPC.
