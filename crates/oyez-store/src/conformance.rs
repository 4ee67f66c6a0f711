//! The rules that every store keeps, as tests that any form can be held against.
