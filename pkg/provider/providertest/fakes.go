package providertest

// Fakes is a fake of the upstream of every provider type.
func Fakes() []Fake {
	return []Fake{
		OpenAI(),
		Anthropic(),
		AzureOpenAI(),
		AWSBedrock(),
		GCPVertexAI(),
		Custom(),
	}
}
