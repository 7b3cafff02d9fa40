//! Rows of cases for each rule.
