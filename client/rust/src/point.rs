use std::time::{SystemTime, UNIX_EPOCH};

use crate::v1::metric_point::Value as Kind;
use crate::v1::MetricPoint;

/// The value of a metric point. Its kind is kept.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A floating-point number; NaN and infinities are kept.
    Float(f64),
    /// An integer.
    Int(i64),
    /// Any other JSON value as text, an integer beyond 64 bits included.
    Json(String),
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

/// One metric point: `Point::new("loss", 0.25).step(7).phase("train")`.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// Name, 1 to 256 characters.
    pub name: String,
    /// Value.
    pub value: Value,
    /// Training step, never negative.
    pub step: Option<i64>,
    /// Phase such as "train" or "test".
    pub phase: Option<String>,
    /// When it was measured, microseconds since the epoch; else it is when the server got it.
    pub time_us: Option<i64>,
}

impl Point {
    /// A point without a step or a phase.
    pub fn new(name: impl Into<String>, value: impl Into<Value>) -> Self {
        Self { name: name.into(), value: value.into(), step: None, phase: None, time_us: None }
    }

    /// The same point at a training step.
    pub fn step(mut self, step: i64) -> Self {
        self.step = Some(step);
        self
    }

    /// The same point in a phase.
    pub fn phase(mut self, phase: impl Into<String>) -> Self {
        self.phase = Some(phase.into());
        self
    }

    /// The same point measured at a time.
    pub fn time(mut self, time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).map(|since| since.as_micros());
        let before = |error: std::time::SystemTimeError| -(error.duration().as_micros() as i64);
        self.time_us = Some(since.map_or_else(before, |micros| micros as i64));
        self
    }
}

impl From<MetricPoint> for Point {
    fn from(message: MetricPoint) -> Self {
        let value = match message.value {
            Some(Kind::IntValue(value)) => Value::Int(value),
            Some(Kind::JsonValue(text)) => Value::Json(text),
            Some(Kind::FloatValue(value)) => Value::Float(value),
            None => Value::Json("null".into()),
        };
        Self { name: message.name, value, step: message.step, phase: message.phase, time_us: message.time_us }
    }
}

impl From<Point> for MetricPoint {
    fn from(point: Point) -> Self {
        let value = match point.value {
            Value::Float(value) => Kind::FloatValue(value),
            Value::Int(value) => Kind::IntValue(value),
            Value::Json(text) => Kind::JsonValue(text),
        };
        Self { name: point.name, value: Some(value), step: point.step, phase: point.phase, time_us: point.time_us }
    }
}
