//! Script output as data: what a script returned, free of the script engine.

/// A tree of values. Maps keep the order the script gave them.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Value {
    /// Nothing.
    #[default]
    Unit,
    /// A boolean.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A float.
    Float(f64),
    /// Text.
    Text(String),
    /// Bytes that are not text.
    Bytes(Vec<u8>),
    /// A list.
    List(Vec<Value>),
    /// Ordered key/value pairs.
    Map(Vec<(String, Value)>),
}

impl Value {
    /// Whether there is nothing to report.
    pub fn is_unit(&self) -> bool {
        matches!(self, Value::Unit)
    }

    /// Memory this tree holds, roughly, in bytes: the measure of the output budget.
    pub fn weight(&self) -> usize {
        match self {
            Value::Unit | Value::Bool(_) | Value::Int(_) | Value::Float(_) => 8,
            Value::Text(text) => 8 + text.len(),
            Value::Bytes(bytes) => 8 + bytes.len(),
            Value::List(items) => 8 + items.iter().map(Value::weight).sum::<usize>(),
            Value::Map(pairs) => 8 + pairs.iter().map(|(key, value)| key.len() + value.weight()).sum::<usize>(),
        }
    }
}
