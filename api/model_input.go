package api

import (
	"encoding/json"
	"strings"

	"modelproviders/pkg/registry"
)

// modelCreate is a model to create.
type modelCreate struct {
	// The id of the model at the provider; unique within the provider.
	ModelID *string `json:"model_id" strict:"trim" validate:"required,min=1,max=256,text,model_id" example:"gpt-4-turbo"`
	// The display name, of at most 100 characters unless it is the model_id; by default the model_id.
	DisplayName *string `json:"display_name,omitempty" strict:"trim" validate:"omitempty,min=1,max=256,text" example:"GPT-4 Turbo"`
	// The pipeline stages that the model serves; at least one.
	SupportedStages *[]string `json:"supported_stages" validate:"required,min=1,max=100,unique,dive,stage,distinct" extensions:"x-ref=StageName" example:"planning,tool_call"`
	// Whether the model is enabled.
	Enabled *bool `json:"enabled,omitempty" default:"true" example:"true"`
} //	@name	ModelCreate

// modelsCreate is several models to create.
type modelsCreate struct {
	// The models, 1 to 100.
	Models []modelCreate `json:"models" validate:"required,min=1,max=100,dive"`
} //	@name	ModelsCreate

// modelChanges is what an edit can change in a model.
type modelChanges struct {
	// The id of the model at the provider. Changing it clears last_test and stage_checks.
	ModelID *string `json:"model_id,omitempty" strict:"trim" validate:"omitempty,min=1,max=256,text,model_id" example:"gpt-4-turbo"`
	// The display name, of at most 100 characters unless it is the model_id.
	DisplayName *string `json:"display_name,omitempty" strict:"trim" validate:"omitempty,min=1,max=256,text" example:"GPT-4 Turbo"`
	// The pipeline stages that the model serves; at least one.
	SupportedStages *[]string `json:"supported_stages,omitempty" validate:"omitempty,min=1,max=100,unique,dive,stage,distinct" extensions:"x-ref=StageName" example:"planning"`
	// Whether the model is enabled.
	Enabled *bool `json:"enabled,omitempty" example:"false"`
	// The version that was read. If the current version differs, the response is 412.
	Version *int64 `json:"version,omitempty" example:"1"`

	ProviderID      json.RawMessage `json:"provider_id,omitempty" strict:"readonly" swaggertype:"string" readonly:"true"`
	ProviderName    json.RawMessage `json:"provider_name,omitempty" strict:"readonly" swaggertype:"string" readonly:"true"`
	ProviderType    json.RawMessage `json:"provider_type,omitempty" strict:"readonly" swaggertype:"string" readonly:"true"`
	ProviderStatus  json.RawMessage `json:"provider_status,omitempty" strict:"readonly" swaggertype:"string" readonly:"true"`
	ProviderEnabled json.RawMessage `json:"provider_enabled,omitempty" strict:"readonly" swaggertype:"boolean" readonly:"true"`
	LastTest        any             `json:"last_test,omitempty" strict:"readonly" swaggertype:"object" readonly:"true"`
	StageChecks     any             `json:"stage_checks,omitempty" strict:"readonly" swaggertype:"object" readonly:"true"`
	ReferenceCount  any             `json:"reference_count,omitempty" strict:"readonly" swaggertype:"integer" readonly:"true"`
	CreatedAt       any             `json:"created_at,omitempty" strict:"readonly" swaggertype:"string" readonly:"true"`
	UpdatedAt       any             `json:"updated_at,omitempty" strict:"readonly" swaggertype:"string" readonly:"true"`
}

// modelUpdate is an edit of a model. Omitted fields keep their values, and fields
// that only the server sets may be sent back as they were received.
type modelUpdate struct {
	modelChanges
	ID json.RawMessage `json:"id,omitempty" strict:"readonly" swaggertype:"string" readonly:"true"`
} //	@name	ModelUpdate

// modelUpdateOfProvider is a model in an edit of its provider.
type modelUpdateOfProvider struct {
	// The id of the model to edit. Without it, the model with the same model_id is edited, or created if there is none.
	ID *string `json:"id,omitempty" format:"uuid" example:"0199d1a4-7c1f-7b02-8e11-6d0f6c1b2a3d"`
	modelChanges
} //	@name	ModelUpdateOfProvider

func (m modelCreate) input() registry.ModelInput {
	return registry.ModelInput{ModelID: m.ModelID, DisplayName: m.DisplayName, Stages: m.SupportedStages, Enabled: m.Enabled}
}

func (m modelChanges) input() registry.ModelInput {
	return registry.ModelInput{
		ModelID: m.ModelID, DisplayName: m.DisplayName, Stages: m.SupportedStages, Enabled: m.Enabled, Version: m.Version,
		ReadOnly: registry.ReadOnly{
			"provider_id": m.ProviderID, "provider_name": m.ProviderName, "provider_type": m.ProviderType,
			"provider_status": m.ProviderStatus, "provider_enabled": m.ProviderEnabled,
		},
	}
}

func (m modelUpdate) input() registry.ModelInput {
	in := m.modelChanges.input()
	in.ReadOnly["id"] = m.ID
	return in
}

func (m modelUpdateOfProvider) input() registry.ModelInput {
	in := m.modelChanges.input()
	if m.ID != nil {
		id := strings.ToLower(*m.ID)
		in.ID = &id
	}
	return in
}
