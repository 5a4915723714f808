"""Pairs over a real Kafka under load, while runners and brokers are killed, frozen and moved."""
