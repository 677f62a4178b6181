#include "client/prediction_csv.h"

#include "client/prediction_text.h"
#include "client/render.h"

namespace anneal::client {
namespace {

std::string Numbered(const std::string& name, int classes) {
  std::string text;
  for (int i = 0; i < classes; ++i) text += "," + name + std::to_string(i);
  return text;
}

// As many fields as there are classes, empty where there is no value.
std::string Values(const google::protobuf::RepeatedField<float>& values, int begin, int classes) {
  std::string text;
  for (int i = begin; i < begin + classes; ++i)
    text += "," + (i < values.size() ? FormatExactFloat(values[i]) : std::string());
  return text;
}

// "7,12,3,cat"
std::string ImageFields(const v1::PredictionSet& set, const v1::Prediction& prediction) {
  return CsvField(Escape(set.job_id())) + "," + std::to_string(prediction.image()) + "," +
         std::to_string(prediction.label()) + "," + CsvField(ClassName(set, prediction.label()));
}

}  // namespace

std::string PredictionCsvHeader(const v1::PredictionSet& set) {
  const int classes = set.class_names_size();
  return "job,image,label,label_name,predicted,predicted_name,confidence,entropy,expected_entropy,"
         "mutual_information,variation_ratio,margin,nll,brier,deterministic_predicted,"
         "deterministic_predicted_name" +
         Numbered("p_", classes) + Numbered("std_", classes) +
         Numbered("deterministic_p_", classes) + "\n";
}

std::string PredictionCsvRow(const v1::PredictionSet& set, const v1::Prediction& prediction) {
  const int classes = set.class_names_size();
  std::string text = ImageFields(set, prediction);
  text += "," + std::to_string(prediction.predicted()) + "," +
          CsvField(ClassName(set, prediction.predicted()));
  for (const float measure :
       {prediction.confidence(), prediction.entropy(), prediction.expected_entropy(),
        prediction.mutual_information(), prediction.variation_ratio(), prediction.margin(),
        prediction.nll(), prediction.brier()}) {
    text += "," + FormatExactFloat(measure);
  }
  text += "," + std::to_string(prediction.deterministic_predicted()) + "," +
          CsvField(ClassName(set, prediction.deterministic_predicted()));
  return text + Values(prediction.probabilities(), 0, classes) +
         Values(prediction.deviations(), 0, classes) +
         Values(prediction.deterministic_probabilities(), 0, classes) + "\n";
}

std::string SampleCsvHeader(const v1::PredictionSet& set) {
  return "job,image,label,label_name,sample" + Numbered("p_", set.class_names_size()) + "\n";
}

std::string SampleCsvRows(const v1::PredictionSet& set, const v1::Prediction& prediction) {
  const int classes = set.class_names_size();
  const std::string image = ImageFields(set, prediction);
  std::string text;
  const auto& values = prediction.sample_probabilities();
  for (int sample = 1; classes > 0 && sample * classes <= values.size(); ++sample) {
    text += image + "," + std::to_string(sample) + Values(values, (sample - 1) * classes, classes) +
            "\n";
  }
  return text;
}

}  // namespace anneal::client
