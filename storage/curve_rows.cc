#include "storage/curve_rows.h"

#include <cmath>

#include "storage/sql.h"

namespace anneal {

void WriteCurve(Connection& connection, JobId id, const LearningRateCurve& curve) {
  {
    Query insert(connection, sql::kInsertCurve);
    insert.Bind(id);
    for (const std::optional<double>& suggestion :
         {curve.steepest, curve.valley, curve.minimum_tenth}) {
      suggestion.has_value() ? insert.Bind(*suggestion) : insert.BindNull();
    }
    insert.Bind(int64_t{curve.diverged}).Run();
  }
  for (const LearningRatePoint& point : curve.points) {
    Query(connection, sql::kInsertCurvePoint)
        .Bind(id)
        .Bind(point.step)
        .Bind(point.learning_rate)
        .Bind(point.loss)
        .Bind(point.smoothed_loss)
        .Run();
  }
}

std::optional<LearningRateCurve> ReadCurve(Connection& connection, JobId id) {
  LearningRateCurve curve;
  Query query(connection, sql::kCurve);
  query.Bind(id);
  if (!query.Step()) return std::nullopt;
  const auto suggestion = [&](int column) {
    const double value = query.Double(column);
    return std::isnan(value) ? std::optional<double>() : value;
  };
  curve.steepest = suggestion(0);
  curve.valley = suggestion(1);
  curve.minimum_tenth = suggestion(2);
  curve.diverged = query.Int64(3) != 0;
  Query points(connection, sql::kCurvePoints);
  points.Bind(id);
  while (points.Step()) {
    curve.points.push_back({points.Int64(0), points.Double(1), points.Double(2), points.Double(3)});
  }
  return curve;
}

}  // namespace anneal
