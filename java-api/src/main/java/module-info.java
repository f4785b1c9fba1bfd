/** Embedded fine-tuning and inference of DistilBERT for sentiment. */
module dev.nightjar {
}
